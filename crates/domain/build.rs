//! Finds the promises of the contract suites, because `macro_rules!` cannot enumerate functions.
//!
//! A promise is a `pub async fn` in a module of `src/test_support/contracts` or in a file of the module's folder. This
//! script writes the macro `contract_functions!`, with which `contracts/macros.rs` creates a test for each promise.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs, io};

const CONTRACTS: &str = "src/test_support/contracts";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={CONTRACTS}");
    let mut modules = BTreeMap::<String, Vec<String>>::new();
    for entry in fs::read_dir(CONTRACTS)? {
        let path = entry?.path();
        let module = path.file_stem().unwrap_or_default().display().to_string();
        modules.entry(module).or_default().extend(functions(&path)?);
    }
    let mut lines =
        vec!["#[doc(hidden)] #[macro_export] macro_rules! contract_functions {".to_owned()];
    for (module, mut functions) in modules {
        functions.sort();
        let tests = format!("@module {module}, $make; {}", functions.join(" "));
        lines.push(format!(
            "({module}, $make:expr) => {{ $crate::contract_tests! {{ {tests} }} }};"
        ));
    }
    lines.push("}".to_owned());
    let folder = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(
        Path::new(&folder).join("contract_functions.rs"),
        lines.join("\n"),
    )
}

/// Returns the names of the public async functions of a file, or of all files in a folder.
fn functions(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            names.extend(functions(&entry?.path())?);
        }
        return Ok(names);
    }
    for line in fs::read_to_string(path)?.lines() {
        let declaration = line.strip_prefix("pub async fn ");
        let name = declaration.and_then(|rest| rest.split_once('('));
        names.extend(name.map(|(name, _)| name.to_owned()));
    }
    Ok(names)
}
