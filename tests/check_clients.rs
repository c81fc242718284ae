use crate::check::{Check, Claim, Pattern};
use crate::check_tcp::{UNREAD, flood_block};
use crate::client::{Client, Trial};
use crate::failure::Failure;

fn stream(claim: &Claim) -> bool {
    claim.is_stream()
}

fn threaded(claim: &Claim) -> bool {
    claim.pattern == Pattern::Threaded
}

/// The lesson of tcp-echo, and what threads are for.
pub(crate) const ONE_AT_A_TIME: Check = Check {
    name: "one-at-a-time",
    trap: Some("one-at-a-time"),
    does: "comes as two clients that ask in turns",
    good: "serves both: neither has to wait until the other has left",
    page: "how-it-breaks.md#one-at-a-time",
    applies: threaded,
    patience: 1,
    run: |trial| {
        let mut first = trial.client()?;
        first.ask("첫째")?;
        let mut second = trial.client()?;
        for _ in 0..3 {
            second.ask("둘째").map_err(|failure| failure.when("a second client, while the first is still there"))?;
            first.ask("첫째").map_err(|failure| failure.when("a first client, while a second is there"))?;
        }
        Ok(())
    },
};

/// Who says nothing must not keep others from speaking.
pub(crate) const SILENT_CLIENT: Check = Check {
    name: "silent-client",
    trap: Some("silent-client"),
    does: "connects and says nothing, asks meanwhile as another client, and then asks as the first after all",
    good: "serves the other at once, and the silent one when it speaks",
    page: "how-it-breaks.md#silent-client",
    applies: threaded,
    patience: 1,
    run: |trial| {
        let mut silent = trial.client()?;
        trial.ask("둘째").map_err(|failure| failure.when("while another client is silent"))?;
        silent.ask("첫째").map_err(|failure| failure.when("a client that had been silent while another was served"))
    },
};

/// Not all of a class leave before the next comes.
pub(crate) const SIMULTANEOUS_CLIENTS: Check = Check {
    name: "simultaneous-clients",
    trap: None,
    does: "connects 50 clients at once, sends from each, and ends the side of each",
    good: "turns none away, and gives each its own answer",
    page: "threads.md",
    applies: threaded,
    patience: 1,
    run: |trial| {
        const CLIENTS: usize = 50;
        let mut clients = (0..CLIENTS).map(|_| trial.client()).collect::<Result<Vec<_>, _>>()?;
        // Each ends its side, so that a pool of a few workers can get through them, in any order.
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(&trial.message(words_of(number)))?;
            client.end();
        }
        let answered = |(number, client): (usize, &mut Client<'_>)| {
            let answered = client.expect(trial.echo(trial.message(words_of(number))).then_anything());
            answered.map_err(|failure| failure.when(format!("client {} of {CLIENTS} at once", number + 1)))
        };
        clients.iter_mut().enumerate().try_for_each(answered)
    },
};

fn words_of(number: usize) -> String {
    format!("나는 {number}번")
}

/// Who does not read must hold up nobody else.
pub(crate) const NEVER_READS: Check = Check {
    name: "never-reads",
    trap: Some("never-reads"),
    does: "sends and reads nothing until the server takes no more, and then asks as another client",
    good: "lets only the first one wait",
    page: "how-it-breaks.md#never-reads",
    applies: threaded,
    patience: 2,
    run: |trial| {
        let deaf = trial.client()?;
        deaf.flood(&flood_block(), UNREAD);
        trial.ask("둘째").map_err(|failure| failure.when("while another client sends and never reads"))?;
        deaf.leave();
        Ok(())
    },
};

/// After so many clients that leave as they should not, one comes that has to be served. It also lets the server catch
/// up: its backlog may be as short as 5.
const BETWEEN: usize = 4;

/// A scan of ports, a health check of a load balancer, a browser that has changed its mind.
pub(crate) const CONNECT_AND_CLOSE: Check = Check {
    name: "connect-and-close",
    trap: Some("accept-error"),
    does: "connects 100 clients that leave without a word",
    good: "serves whoever comes after them",
    page: "how-it-breaks.md#accept-error",
    applies: stream,
    patience: 1,
    run: |trial| come_and_go(trial, "that left without a word", |_| Ok(())),
};

/// A client that crashes, or whose user presses Ctrl-C, leaves like this.
pub(crate) const RESET_BY_PEER: Check = Check {
    name: "reset-by-peer",
    trap: Some("reset-by-peer"),
    does: "resets the connections of 100 clients that have asked and not read",
    good: "serves whoever comes after them",
    page: "how-it-breaks.md#reset-by-peer",
    applies: stream,
    patience: 1,
    run: |trial| {
        come_and_go(trial, "that asked and reset their connections", |mut client| {
            client.send(&trial.message("잠깐"))?;
            client.reset();
            Ok(())
        })
    },
};

fn come_and_go<'a>(
    trial: &'a Trial<'_>,
    who: &str,
    leave: impl Fn(Client<'a>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for number in 1..=trial.target.effort.clients {
        let left = trial.client().and_then(&leave);
        let served = if number % BETWEEN == 0 { left.and_then(|()| trial.ask("다음")) } else { left };
        served.map_err(|failure| failure.when(format!("after {number} clients {who}")))?;
    }
    Ok(())
}
