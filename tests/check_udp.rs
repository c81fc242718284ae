use std::net::SocketAddr;

use crate::check::{Check, Claim, Pattern};
use crate::failure::Failure;
use crate::reply::Reply;

fn datagrams(claim: &Claim) -> bool {
    claim.pattern == Pattern::Udp
}

fn datagrams_of_text(claim: &Claim) -> bool {
    datagrams(claim) && claim.is_text()
}

/// A datagram of no bytes is a message.
pub(crate) const EMPTY_DATAGRAM: Check = Check {
    name: "empty-datagram",
    trap: Some("empty-datagram"),
    does: "sends a datagram of no bytes",
    good: "answers it with the prefix alone: 0 bytes are a message here, not the end",
    page: "how-it-breaks.md#empty-datagram",
    applies: datagrams,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        client.ask("")?;
        client.ask("뒤").map_err(|failure| failure.when("after an empty datagram"))
    },
};

/// What does not fit into the buffer of a receiver is gone.
pub(crate) const TRUNCATED_DATAGRAM: Check = Check {
    name: "truncated-datagram",
    trap: Some("truncated-datagram"),
    does: "sends datagrams of 1,025, 2,049, 4,097 and 8,193 bytes",
    good: "answers with every byte: what does not fit into a receiver's buffer is lost",
    page: "how-it-breaks.md#truncated-datagram",
    applies: datagrams,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        [1_025, 2_049, 4_097, 8_193]
            .into_iter()
            .try_for_each(|length| client.ask(trial.target.claim.filler().repeat(length)))
    },
};

/// The most that one datagram can carry: 16 bits of length (RFC 768), less the header of UDP and, with IPv4, its own. macOS
/// sends no more than sysctl net.inet.udp.maxdgram says, which is 9,216 if nobody has changed it.
fn largest(address: SocketAddr) -> usize {
    match address {
        _ if cfg!(target_os = "macos") => 9_216,
        SocketAddr::V4(_) => 65_507,
        SocketAddr::V6(_) => 65_527,
    }
}

/// The prefix needs its place too.
pub(crate) const LARGEST_DATAGRAM: Check = Check {
    name: "largest-datagram",
    trap: None,
    does: "sends the largest datagram whose reply fits into one, and then one that is larger",
    good: "answers the first with every byte, and the second with a word that its reply does not fit",
    page: "udp.md",
    applies: datagrams,
    patience: 1,
    run: |trial| {
        let mut client = trial.client()?;
        let (claim, largest) = (&trial.target.claim, largest(trial.target.address));
        let prefix = claim.prefix();
        client.ask(claim.filler().repeat(largest.saturating_sub(prefix.len())))?;
        if prefix.is_empty() {
            return Ok(()); // then each reply is as long as its datagram, and fits
        }
        client.send(claim.filler().repeat(largest).as_bytes())?;
        let length = prefix.len() + largest;
        client.expect(Reply::exactly(format!("error: reply of {length} bytes does not fit in one datagram")))
    },
};

/// Two servers that answer answers never stop.
pub(crate) const ECHO_LOOP: Check = Check {
    name: "echo-loop",
    trap: Some("echo-loop"),
    does: "sends datagrams that look like replies: one begins with the prefix, one with `error: `; then it asks twice",
    good: "answers the questions only, so that two servers cannot be made to talk to each other for ever",
    page: "how-it-breaks.md#echo-loop",
    applies: datagrams_of_text,
    patience: 1,
    run: |trial| {
        let prefix = trial.target.claim.prefix();
        let mut client = trial.client()?;
        let mut looks_like_reply = |beginning: &str| -> Result<(), Failure> {
            let when = |failure: Failure| {
                failure.when(format!("after a datagram that begins with {beginning:?}, which nobody has to answer"))
            };
            client.send(format!("{beginning}메아리").as_bytes())?;
            client.forget();
            client.ask("첫째").map_err(when)?;
            client.ask("둘째").map_err(when) // an answer that was overtaken by the first would be seen here
        };
        if !prefix.is_empty() {
            looks_like_reply(prefix)?;
        }
        looks_like_reply("error: ")
    },
};

/// The reply to a client that has gone comes back as an error, sooner or later, on some systems.
pub(crate) const CLOSED_PORT: Check = Check {
    name: "closed-port",
    trap: Some("closed-port"),
    does: "asks from 50 sockets that are closed at once, so that the replies meet closed ports",
    good: "serves whoever comes after them: that a reply was refused is no reason to stop",
    page: "how-it-breaks.md#closed-port",
    applies: datagrams,
    patience: 1,
    run: |trial| {
        // It is there before they are: nobody who comes now could get the port of one of them, and with it a late reply.
        let mut waiting = trial.client()?;
        let clients = trial.target.effort.clients.div_ceil(2);
        for number in 1..=clients {
            trial.client()?.send("잠깐".as_bytes())?;
            if number % 10 == 0 || number == clients {
                let answered = waiting.ask("다음");
                answered.map_err(|failure| failure.when(format!("after {number} clients that did not wait")))?;
            }
        }
        Ok(())
    },
};
