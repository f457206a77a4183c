#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailroom::fuzz_entry::sealed(data));
