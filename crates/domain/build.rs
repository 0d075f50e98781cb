//! Finds the promises of the contract suites, because `macro_rules!` cannot enumerate functions.
//!
//! A promise is a `pub async fn` of a module in `src/test_support/contracts`: of its own file or of a file in its
//! folder. This script writes `contract_functions!`, which `contracts/macros.rs` uses to create a test for each promise.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const CONTRACTS: &str = "src/test_support/contracts";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={CONTRACTS}");
    let mut rules = String::new();
    for file in rust_files(Path::new(CONTRACTS))? {
        let module = file.file_stem().unwrap_or_default().display();
        let mut functions = functions(&file)?;
        let folder = file.with_extension("");
        if folder.is_dir() {
            for file in rust_files(&folder)? {
                functions.extend(self::functions(&file)?);
            }
        }
        let functions = functions.join(" ");
        let _ = writeln!(
            rules,
            "({module}, $make:expr) => {{ $crate::contract_tests! {{ @module {module}, $make; {functions} }} }};"
        );
    }
    let macros =
        format!("#[doc(hidden)] #[macro_export] macro_rules! contract_functions {{\n{rules}}}\n");
    let folder = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&folder).join("contract_functions.rs"), macros)
}

/// Returns the Rust files of a folder, in alphabetical order.
fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let paths = entries?.into_iter().map(|entry| entry.path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension() == Some(OsStr::new("rs")))
        .collect();
    files.sort();
    Ok(files)
}

/// Returns the names of the public async functions of a file.
fn functions(file: &Path) -> io::Result<Vec<String>> {
    let source = fs::read_to_string(file)?;
    let declarations = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn "));
    let names = declarations.filter_map(|line| Some(line.split_once('(')?.0.to_owned()));
    Ok(names.collect())
}
