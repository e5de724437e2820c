//! Which module of a crate names which other: every `crate::…`, `super::…` and `self::…` path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::code;
use super::tree::{SourceFile, rust_files};

/// The path of a module from its crate's root; the root itself is empty.
pub type ModulePath = Vec<String>;

/// One crate: its modules and what each of them names.
pub struct Crate {
    /// Tests are left out: they may look at everything.
    pub modules: BTreeMap<ModulePath, Module>,
    /// Macros live at the crate's root, wherever they are written.
    pub macros: BTreeSet<String>,
}

pub struct Module {
    pub file: String,
    /// Whole paths from the crate's root, down to the named item.
    pub named: BTreeSet<ModulePath>,
    /// Paths into other crates, such as `ferrymq_network::rules::forward`.
    pub foreign: BTreeSet<ModulePath>,
}

impl Crate {
    pub fn read(folder: &str) -> Self {
        let mut modules = BTreeMap::new();
        let mut macros = BTreeSet::new();
        for file in rust_files(folder) {
            let path = module_path(Path::new(folder), &file);
            if path.iter().any(|part| part == "tests" || part == "testing") || path == ["main"] {
                continue;
            }
            let plain = code::without_comments(&file.text);
            let tokens = code::tokens(&code::without_tests(&plain));
            let mut module = Module {
                file: file.path.display().to_string(),
                named: BTreeSet::new(),
                foreign: BTreeSet::new(),
            };
            module.read(&tokens, &path);
            let defines = |window: &&[String]| window[0] == "macro_rules" && window[1] == "!";
            macros.extend(tokens.windows(3).filter(defines).map(|window| window[2].clone()));
            modules.insert(path, module);
        }
        Self { modules, macros }
    }

    /// The module that holds what `named` names: its longest prefix that is a module.
    pub fn home<'a>(&self, named: &'a [String]) -> &'a [String] {
        let is_module = |length: &usize| self.modules.contains_key(&named[..*length]);
        let length = (0..=named.len()).rev().find(is_module).unwrap_or(0);
        &named[..length]
    }
}

impl Module {
    fn read(&mut self, tokens: &[String], own: &[String]) {
        for at in 0..tokens.len() {
            let is_macro_call = tokens.get(at + 3).is_some_and(|token| token == "!");
            let starts_path = tokens.get(at + 1).is_some_and(|token| token == "::");
            let continues_path = at > 0 && tokens[at - 1] == "::";
            if !starts_path || continues_path || is_macro_call {
                continue;
            }
            let first = tokens[at].as_str();
            let start = match first {
                "crate" => Vec::new(),
                "self" => own.to_vec(),
                "super" => own[..own.len().saturating_sub(1)].to_vec(),
                name if name.starts_with("ferrymq_") => vec![name.to_owned()],
                _ => continue,
            };
            let mut paths = Vec::new();
            expand(tokens, at + 2, start, &mut paths);
            let target =
                if first.starts_with("ferrymq_") { &mut self.foreign } else { &mut self.named };
            target.extend(paths);
        }
    }
}

/// Follows a path from the token after a `::`; a brace opens one path for each of its members.
/// Returns the index after it.
fn expand(
    tokens: &[String],
    mut at: usize,
    mut path: ModulePath,
    paths: &mut Vec<ModulePath>,
) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    if tokens[at] == "," {
                        at += 1;
                    } else {
                        at = expand(tokens, at, path.clone(), paths);
                    }
                }
                return at + 1;
            }
            Some("super") => drop(path.pop()),
            Some("self" | "*") => {}
            Some(name) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                path.push(name.to_owned());
            }
            _ => {
                paths.push(path);
                return at.max(1);
            }
        }
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            paths.push(path);
            // `name as other`
            if tokens.get(at).is_some_and(|token| token == "as") {
                at += 2;
            }
            return at;
        }
        at += 1;
    }
}

fn module_path(folder: &Path, file: &SourceFile) -> ModulePath {
    let inside = file.path.strip_prefix(folder).expect("a file of that folder");
    let mut parts: ModulePath = inside
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
        parts.pop();
    }
    parts
}
