//! Architecture rules, run as tests.
