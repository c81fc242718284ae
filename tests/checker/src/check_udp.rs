use std::net::SocketAddr;

use crate::client::CheckContext;
use crate::difference::quote;
use crate::failure::Checked;
use crate::words::words;

/// A receiver loses what does not fit into its buffer.
pub(crate) fn truncated_datagram(context: &CheckContext<'_>) -> Checked {
    for len in [1_025, 2_049, 4_097, 8_193] {
        context.scene();
        context.ask(&context.spec.filler().repeat(len))?;
    }
    Ok(())
}

/// The most that one datagram can carry: 16 bits of length (RFC 768), less the header of UDP and, with IPv4, its own.
/// macOS sends no more than the sysctl net.inet.udp.maxdgram, which is 9,216 unless changed.
fn largest(address: SocketAddr) -> usize {
    match address {
        _ if cfg!(target_os = "macos") => 9_216,
        SocketAddr::V4(_) => 65_507,
        SocketAddr::V6(_) => 65_527,
    }
}

/// The prefix takes up room too.
pub(crate) fn largest_datagram(context: &CheckContext<'_>) -> Checked {
    let mut client = context.client()?;
    let (filler, largest) = (context.spec.filler(), largest(context.address));
    let prefix = context.spec.prefix();
    client.ask(filler.repeat(largest.saturating_sub(prefix.len())))?;
    if prefix.is_empty() {
        return Ok(()); // each reply is as long as its datagram, and fits
    }
    context.scene();
    client.send(filler.repeat(largest).as_bytes())?;
    let len = prefix.len() + largest;
    let error = format!("error: reply of {len} bytes does not fit in one datagram");
    client.expect_error(&error, filler).map(drop)
}

/// Two servers that reply to replies never stop.
pub(crate) fn echo_loop(context: &CheckContext<'_>) -> Checked {
    let prefix = context.spec.prefix();
    let mut client = context.client()?;
    let mut looks_like_reply = |beginning: &str| -> Checked {
        context.scene_after(words("step.looks-like-reply").with(quote(beginning.as_bytes())));
        client.send(format!("{beginning}메아리").as_bytes())?;
        client.forget();
        client.ask("첫째")?;
        client.ask("둘째") // a reply that was overtaken by the first would arrive here
    };
    if !prefix.is_empty() {
        looks_like_reply(prefix)?;
    }
    looks_like_reply("error: ")
}

/// The reply to a client that has left returns as an error, sooner or later, on some systems.
pub(crate) fn closed_port(context: &CheckContext<'_>) -> Checked {
    // It is there before they are, so that it cannot get the port of one of them, and with it a late reply.
    let mut waiting = context.client()?;
    waiting.ask("먼저")?;
    let clients = context.limits.clients.div_ceil(2);
    for number in 1..=clients {
        context.client()?.send("잠깐".as_bytes())?;
        if number % 10 == 0 || number == clients {
            context.scene_after(words("step.closed-sockets").with(number));
            waiting.ask("다음")?;
        }
    }
    Ok(())
}
