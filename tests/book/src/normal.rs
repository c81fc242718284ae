//! Makes the same of what differs from run to run: ports, times, and where Python is installed.

use regex::{Captures, Regex};
use suite::root;

use crate::page::regex;

/// What the lines of a session have had so far.
pub struct Normal {
    port: &'static Regex,
    peers: Vec<String>,
    milliseconds: u32,
    lines_of_frame: u32,
    is_foreign_frame: bool,
}

impl Normal {
    pub fn new(port: u16) -> Self {
        Normal {
            port: regex(&format!(r"\b{port}\b")),
            peers: ["12345", "12346"].map(String::from).to_vec(), // the server's and the relay's
            milliseconds: 0,
            lines_of_frame: 0,
            is_foreign_frame: false,
        }
    }

    /// Returns the line as it is shown, or `None` if it is not.
    pub fn line(&mut self, line: &str) -> Option<String> {
        if !self.is_ours(line) {
            return None;
        }
        let line = line.replace(&format!("{}/", root().display()), "");
        let line = line.replace("python3 docs/", "python docs/");
        let line = self.port.replace_all(&line, "12345");
        // On the tutorial's port, a server prints the client's command without an address.
        let line = line.replace(" client --address 127.0.0.1:12345 ", " client ");
        let peer = regex(r"(127\.0\.0\.1:|127\.0\.0\.1', |\[::1\]:|'::1', )(\d+)\b");
        let line = peer.replace_all(&line, |found: &Captures<'_>| {
            format!("{}{}", &found[1], self.peer(&found[2]))
        });
        let seconds = regex(r" \d+\.\d+ s$");
        let line = seconds.replace(&line, " 0.0 s");
        let since_start = regex(r"^ *\d+\.\d{6}");
        let line = since_start.replace(&line, |_: &Captures<'_>| {
            self.milliseconds += 1;
            format!("{:10.6}", f64::from(self.milliseconds) / 1000.0)
        });
        Some(line.into_owned())
    }

    /// Of a Python traceback, only the frames of the program itself are shown, without the underline that not every
    /// version prints: the others differ with Python's version.
    fn is_ours(&mut self, line: &str) -> bool {
        self.lines_of_frame += 1;
        if regex(r#"^[ |]*  File ""#).is_match(line) {
            self.lines_of_frame = 1;
            self.is_foreign_frame = !line.contains("docs/python/");
        } else if !line.starts_with("    ") {
            self.is_foreign_frame = false;
        }
        let is_underline = self.lines_of_frame == 3 && regex(r"^[ |]+[~^]+$").is_match(line);
        !self.is_foreign_frame && !is_underline
    }

    /// Shows the ports that the system gave to clients as 50001, 50002, in the order in which they appear.
    fn peer(&mut self, port: &str) -> String {
        let known = self.peers.iter().position(|peer| peer == port);
        let index = known.unwrap_or_else(|| {
            self.peers.push(port.to_owned());
            self.peers.len() - 1
        });
        match index {
            0 | 1 => port.to_owned(),
            index => (49_999 + index).to_string(),
        }
    }
}

#[test]
fn what_differs_is_made_the_same() {
    let printed = "\
on 127.0.0.1:20123
127.0.0.1:45678 left: 0.3 s
('127.0.0.1', 1679) 127.0.0.1:45678
  1.200314 accept
  File \"/usr/lib/python3/socket.py\", line 1, in recv
    code of Python's own
  File \"docs/python/a.py\", line 1, in f
    f()
    ^^^
    ^^^";
    let shown = "\
on 127.0.0.1:12345
127.0.0.1:50001 left: 0.0 s
('127.0.0.1', 50002) 127.0.0.1:50001
  0.001000 accept
  File \"docs/python/a.py\", line 1, in f
    f()
    ^^^";
    let mut normal = Normal::new(20_123);
    let lines = printed.lines().filter_map(|line| normal.line(line));
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), shown);
}
