//! The page in Cockpit: what its files may not hold, and that its translations are complete.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use harness::workspace;

fn page() -> PathBuf {
    workspace().join("cockpit")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names and texts of the modules, without the translations.
fn modules() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(page()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_module = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".js") && !name.starts_with("po.")
    };
    let named = |path: PathBuf| (path.display().to_string(), read(path));
    let found: Vec<_> = paths.filter(is_module).map(named).collect();
    assert!(found.len() > 8, "{}", found.len());
    found
}

/// Texts of the calls of a function: one, or singular and plural.
fn calls(text: &str, function: &str) -> Vec<Vec<String>> {
    let starts = text
        .match_indices(function)
        .map(|(at, _)| &text[at + function.len()..]);
    starts.map(literals).filter(|it| !it.is_empty()).collect()
}

/// String literals at the start of the arguments of a call.
fn literals(arguments: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), arguments);
    while let Some(inside) = rest.trim_start_matches([',', ' ']).strip_prefix('"') {
        let escaped = |at: usize| {
            inside[..at]
                .chars()
                .rev()
                .take_while(|it| *it == '\\')
                .count()
                % 2
                == 1
        };
        let end = inside
            .match_indices('"')
            .map(|(at, _)| at)
            .find(|at| !escaped(*at))
            .unwrap();
        found.push(inside[..end].to_owned());
        rest = &inside[end + 1..];
    }
    found
}

/// Entries of a catalogue, without its head: msgid, perhaps msgid_plural, and the translations.
fn catalogue(text: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let entries = text.split("\n\n").skip(1);
    let entry = |entry: &str| {
        let (mut ids, mut texts) = (Vec::new(), Vec::new());
        for line in entry.lines().filter(|line| !line.starts_with('#')) {
            let (keyword, quoted) = line.split_once(' ').unwrap();
            let text = quoted
                .strip_prefix('"')
                .and_then(|it| it.strip_suffix('"'))
                .unwrap()
                .to_owned();
            if keyword.starts_with("msgid") {
                ids.push(text);
            } else {
                texts.push(text);
            }
        }
        (ids, texts)
    };
    entries.map(entry).collect()
}

#[test]
fn each_text_of_the_page_is_translated() {
    let mut wanted = BTreeSet::new();
    for (_, text) in modules() {
        wanted.extend(calls(&text, "_(").into_iter().map(|it| it[..1].to_vec()));
        wanted.extend(
            calls(&text, "ngettext(")
                .into_iter()
                .map(|it| it[..2].to_vec()),
        );
    }
    // The label in the menu of Cockpit.
    wanted.insert(vec!["Two-factor login".to_owned()]);
    assert!(wanted.len() > 100, "{}", wanted.len());
    let entries = catalogue(&read(page().join("po/de.po")));
    let found: BTreeSet<_> = entries.iter().map(|(ids, _)| ids.clone()).collect();
    assert_eq!(found, wanted);
    for (ids, texts) in entries {
        assert_eq!(texts.len(), ids.len(), "{ids:?}");
        for text in texts {
            assert!(!text.is_empty(), "{ids:?}");
            for place in ["$0", "$1"] {
                assert_eq!(ids[0].contains(place), text.contains(place), "{ids:?}");
            }
        }
    }
}

/// Cockpit reads catalogues as scripts. `PO_WRITE=1` writes them anew.
#[test]
fn catalogues_and_their_scripts_agree() {
    for language in ["de"] {
        let mut script = format!(
            "cockpit.locale({{\n    \"\": {{ \"plural-forms\": n => n != 1, \"language\": \"{language}\", \"language-direction\": \"ltr\" }},\n"
        );
        for (ids, texts) in catalogue(&read(page().join(format!("po/{language}.po")))) {
            let plural = ids
                .get(1)
                .map_or("null".to_owned(), |id| format!("\"{id}\""));
            writeln!(
                script,
                "    \"{}\": [{plural}, \"{}\"],",
                ids[0],
                texts.join("\", \"")
            )
            .unwrap();
        }
        script.push_str("});\n");
        let path = page().join(format!("po.{language}.js"));
        if std::env::var_os("PO_WRITE").is_some() {
            std::fs::write(&path, &script).unwrap();
        }
        assert_eq!(read(&path), script, "run this test with PO_WRITE=1");
    }
}

#[test]
fn nothing_on_the_page_becomes_markup_or_code() {
    let forbidden = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "eval(",
        "Function(",
        ".style",
        "\"style\"",
        "createContextualFragment",
        "srcdoc",
        "javascript:",
        "console.",
        "localStorage.setItem",
    ];
    for (name, text) in modules() {
        for word in forbidden {
            assert!(!text.contains(word), "{name}: {word}");
        }
    }
    let index = read(page().join("index.html"));
    assert!(!index.contains("style="), "{index}");
    for script in index.split("<script").skip(1) {
        assert!(
            script.contains("src=\"") && script.contains("></script>"),
            "{script}"
        );
    }
    let manifest: serde_json::Value =
        serde_json::from_str(&read(page().join("manifest.json"))).unwrap();
    assert_eq!(
        manifest["content-security-policy"],
        "default-src 'self'; img-src 'self' data:"
    );
}

/// Without `err`, Cockpit sends standard error to the journal.
#[test]
fn errors_of_the_pages_programs_are_caught() {
    let mut spawned = 0;
    for (name, text) in modules() {
        for call in text.split("cockpit.spawn(").skip(1) {
            let (arguments, _) = call.split_once(')').unwrap();
            let (program, options) = arguments.split_once(']').unwrap();
            assert!(program.starts_with("[PROGRAM, "), "{name}: {program}");
            assert!(options.contains("err: \""), "{name}: {arguments}");
            spawned += 1;
        }
        assert!(!text.contains("cockpit.script("), "{name}");
        let is_command = name.ends_with("command.js");
        assert!(is_command || !text.contains("cockpit.spawn("), "{name}");
    }
    assert!(spawned > 0);
}
