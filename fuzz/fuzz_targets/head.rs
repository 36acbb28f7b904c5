#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| lastlayer_fuzz::head::run(data));
