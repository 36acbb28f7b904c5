//! The host's tool, built beside the tests so that they can find it.

fn main() -> std::process::ExitCode {
    lastlayer_host::main()
}
