fn main() -> std::process::ExitCode {
    lastlayer_firmware::main(std::env::args_os())
}
