//! The book: what it includes, what its two languages share, and what its terminals show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// The pages, read as mdBook reads them.
mod book_pages;

/// Every piece of code on a page is a piece of a file that is compiled or run.
mod book_includes;

/// A page says in one language what it says in the other.
mod book_languages;

/// Every terminal on a page is what a real run has printed. Other systems word their errors differently.
#[cfg(target_os = "linux")]
#[expect(clippy::expect_used, reason = "a test that cannot go on has failed")]
mod book_transcripts;
