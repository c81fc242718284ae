//! One client: receive and reply until it disconnects. `threaded-echo` uses it on other threads.

use std::io;
use std::time::Duration;

use common::connection::Connection;
use common::framing::{Framing, FramingError, MessageReader};
use common::report::{ConnectionReport, Report};
use common::timeout::parse_timeout;

/// Options that set how the server handles clients.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Beginning of each reply (--prefix= for a plain echo)
    #[arg(long, value_name = "TEXT", default_value = "서버로부터 응답: ")]
    #[arg(allow_hyphen_values = true)]
    pub prefix: String,
    /// Rule that sets where a message ends
    #[arg(long, default_value = "chunk")]
    pub framing: Framing,
    /// Disconnect clients idle for this long (0 = never)
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = parse_timeout)]
    pub idle_timeout: Duration,
}

/// Serves one client until it disconnects.
pub fn handle_client(mut connection: Connection<'_>, options: &Options, report: &Report) {
    let mut client = report.connected(connection.peer());
    let result = echo_messages(&mut connection, options, &mut client);
    client.finish(result);
}

fn echo_messages(
    connection: &mut Connection<'_>,
    options: &Options,
    client: &mut ConnectionReport<'_>,
) -> io::Result<()> {
    connection.configure(options.idle_timeout)?;
    let is_line = options.framing == Framing::Line;
    let is_raw = options.framing == Framing::Raw;
    let prefix = if is_raw { "" } else { &options.prefix };
    let mut messages = MessageReader::new(options.framing);
    loop {
        let is_end = messages.fill(connection)? == 0;
        if is_end && connection.is_shutting_down() {
            return Ok(()); // a shutdown ended the stream, so the rest is not a whole message
        }
        while let Some(message) = messages.next_message() {
            match message {
                Ok(message) => {
                    connection.push(prefix.as_bytes())?;
                    connection.push(message)?;
                    client.record_message(message);
                }
                // The next line can get a reply. Without lines, we cannot find the next message.
                Err(error) if is_line && error != FramingError::LineTooLong => {
                    connection.push_error(error)?;
                }
                Err(error) => return Err(connection.close_with_error(error)),
            }
        }
        connection.flush()?; // one write for all messages of one read
        client.publish();
        if is_end {
            return Ok(());
        }
    }
}
