use crate::check_tcp::flood_block;
use crate::client::{CheckContext, Client};
use crate::failure::Checked;
use crate::words::words;

/// A client that sends nothing must not hold up others.
pub(crate) fn silent_client(context: &CheckContext<'_>) -> Checked {
    let mut silent = context.client()?;
    context.ask("둘째")?;
    silent.ask("첫째")
}

/// A class does not leave before the next client connects.
pub(crate) fn simultaneous_clients(context: &CheckContext<'_>) -> Checked {
    const CLIENTS: usize = 40; // Python forks no more by default
    let clients = (0..CLIENTS).map(|_| context.client());
    let mut clients = clients.collect::<Checked<Vec<_>>>()?;
    for (client, number) in clients.iter_mut().zip(1..) {
        client.send(&context.message(words_of(number)))?;
    }
    // Each leaves after its reply, so that a pool of a few workers can serve them all.
    for (mut client, number) in clients.into_iter().zip(1..) {
        let text = words_of(number);
        context.scene_after(words("step.all-send").with(CLIENTS));
        let step = words("step.send-own").with(number).with(CLIENTS);
        context.log(0, step.with(&text));
        client.expect(context.echo(context.message(text)).then_anything())?;
    }
    Ok(())
}

fn words_of(number: usize) -> String {
    format!("나는 {number}번")
}

/// A client that does not read must hold up no other.
pub(crate) fn never_reads(context: &CheckContext<'_>) -> Checked {
    let deaf = context.client()?;
    deaf.flood(&flood_block());
    context.ask("둘째")?;
    deaf.leave();
    Ok(())
}

/// Number of clients that leave badly before one has to be served. It also lets the server catch up: its backlog may be
/// as short as 5.
const BETWEEN: usize = 4;

/// A port scan, a health check of a load balancer, a browser whose user has changed his mind.
pub(crate) fn connect_and_close(context: &CheckContext<'_>) -> Checked {
    come_and_go(context, "step.connect-and-close", |_| Ok(()))
}

/// A client that crashes, or whose user presses Ctrl-C, leaves like this.
pub(crate) fn reset_by_peer(context: &CheckContext<'_>) -> Checked {
    come_and_go(context, "step.send-and-reset", |mut client| {
        client.send(&context.message("잠깐"))?;
        client.reset();
        Ok(())
    })
}

fn come_and_go<'a>(
    context: &'a CheckContext<'_>,
    step: &str,
    leave: impl Fn(Client<'a>) -> Checked,
) -> Checked {
    for number in 1..=context.limits.clients {
        context.client().and_then(&leave)?;
        context.scene_after(words(step).with(number));
        if number % BETWEEN == 0 {
            context.ask("다음")?;
            context.scene_after(words(step).with(number));
        }
    }
    Ok(())
}
