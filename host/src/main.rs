fn main() -> std::process::ExitCode {
    lastlayer_host::main()
}
