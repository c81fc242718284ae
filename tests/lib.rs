//! The checker, as a library.
