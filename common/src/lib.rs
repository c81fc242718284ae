//! What the three echo servers of this workspace share, one idea a module:
//!
//! - [`addr`]: what a person may type for an address, and the sockets made from it;
//! - [`framing`]: where one message ends and the next begins in a stream of bytes;
//! - [`shutdown`]: how a blocked call is ended, and how a connection is closed so that nothing is lost;
//! - [`report`]: what a server tells the person who started it;
//! - [`trace`]: every socket call and its bytes, for eyes.
//!
//! Nothing here knows of command lines or signals: those stay in each program's `main.rs`.

pub mod addr;
pub mod framing;
pub mod report;
pub mod shutdown;
pub mod trace;
