use std::sync::LazyLock;

use crate::client::CheckContext;
use crate::failure::Checked;
use crate::spec::{Pattern, ServerSpec};
use crate::words::{SENTENCES, Words, words};
use crate::{check_any as any, check_clients as many, check_tcp as tcp, check_udp as udp};

/// All checks, in the order in which they run: first what all others build on, last what can end a
/// server.
pub static CHECKS: [Check; 28] = [
    check("answers", ANY, any::answers),
    check("answers-again", ANY, |it| {
        it.ask_all(&["안녕하세요", "반갑습니다", "반갑습니다"])
    }),
    check("second-client", ANY, any::second_client),
    check("literal-braces", ANY, |it| {
        it.ask("중괄호 {data} {} {0} %s")
    }),
    check("bytes-not-text", ANY, |it| it.ask(QUOTES)),
    check("byte-exactness", ANY, any::byte_exactness),
    check("partial-read", TCP, tcp::partial_read),
    check("split-character", TCP_TEXT, tcp::split_character),
    check("half-close", TCP, tcp::half_close),
    check("end-of-stream", TCP, tcp::end_of_stream),
    check("too-long-line", LINES, tcp::too_long_line),
    check("error-reaches-client", TCP_TEXT, tcp::error_reaches_client),
    check("two-small-writes", TCP, tcp::two_small_writes),
    check("write-all-then-read", TCP, tcp::write_all_then_read),
    check("bounded-memory", TCP, tcp::bounded_memory),
    check("one-at-a-time", THREADS, any::take_turns),
    check("silent-client", THREADS, many::silent_client),
    check("simultaneous-clients", THREADS, many::simultaneous_clients),
    check("never-reads", THREADS, many::never_reads),
    check("empty-datagram", UDP, |it| it.ask_all(&["", "뒤"])),
    check("truncated-datagram", UDP, udp::truncated_datagram),
    check("largest-datagram", UDP, udp::largest_datagram),
    check("echo-loop", UDP_TEXT, udp::echo_loop),
    check("closed-port", UDP, udp::closed_port),
    check("bad-bytes", TEXT, any::bad_bytes),
    check("connect-and-close", TCP, many::connect_and_close),
    check("reset-by-peer", TCP, many::reset_by_peer),
    check("still-there", ANY, |it| it.ask("아직 있나요?")),
];

/// The tutorial's next version would reply `b'\xec...'`.
const QUOTES: &str = r#"따옴표 b'\xec\x95\x88' "\n" 안녕"#;

type Applies = fn(&ServerSpec) -> bool;
type Run = fn(&CheckContext<'_>) -> Checked;

const ANY: Applies = |_| true;
const TEXT: Applies = ServerSpec::is_text;
const TCP: Applies = ServerSpec::is_stream;
const TCP_TEXT: Applies = |spec| spec.is_stream() && spec.is_text();
const LINES: Applies = ServerSpec::is_lines;
const THREADS: Applies = |spec| spec.pattern == Pattern::Threaded;
const UDP: Applies = |spec| !spec.is_stream();
const UDP_TEXT: Applies = |spec| !spec.is_stream() && spec.is_text();

/// The traps that the book explains, each under a heading of this name in `how-it-breaks.md`. A check bears the name of
/// its trap, unless one trap needs two checks; not every trap shows from outside a server.
pub static TRAPS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let keys = SENTENCES.keys();
    keys.filter_map(|key| key.strip_prefix("trap.")).collect()
});

/// One behavior of an echo server. `sentences.txt` says what the check does, and what a good server
/// does.
#[derive(Debug)]
pub struct Check {
    /// Its name, which no other check has.
    pub name: &'static str,
    /// Returns `true` if a server that claims this has to pass it.
    pub applies_to: fn(&ServerSpec) -> bool,
    pub(crate) run: Run,
}

const fn check(name: &'static str, applies_to: Applies, run: Run) -> Check {
    Check {
        name,
        applies_to,
        run,
    }
}

impl Check {
    /// Returns which of the [`TRAPS`] it looks for, if any.
    pub fn trap(&self) -> Option<&'static str> {
        match self.name {
            "answers-again" | "second-client" => Some("one-shot"),
            "connect-and-close" => Some("accept-error"),
            name => TRAPS.iter().find(|trap| **trap == name).copied(),
        }
    }

    /// Returns the page of the book that explains it, below `docs/en` and `docs/ko`.
    pub fn page(&self) -> String {
        let page = match (self.trap(), self.name) {
            (Some(trap), _) => return format!("how-it-breaks.md#{trap}"),
            (_, "answers") => "start",
            (_, "error-reaches-client") => "stopping",
            (_, "simultaneous-clients") => "threads",
            (_, "largest-datagram") => "udp",
            (_, "still-there") => "how-it-breaks",
            _ => "message-boundaries",
        };
        format!("{page}.md")
    }

    /// Returns `true` if this is its name, or that of its trap.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.trap() == Some(name)
    }

    /// Returns what it does to the server.
    pub fn action(&self) -> Words {
        words(format!("{}.action", self.name))
    }

    /// Returns what a good server does.
    pub fn expected(&self) -> Words {
        words(format!("{}.expected", self.name))
    }
}
