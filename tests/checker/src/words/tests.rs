use super::*;
use crate::{CHECKS, TRAPS};

#[test]
fn sentences_are_used_and_in_both_languages() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let files = std::fs::read_dir(folder).unwrap();
    let read = |file: std::fs::DirEntry| std::fs::read_to_string(file.path()).unwrap_or_default(); // folders
    let sources: String = files.map(|file| read(file.unwrap())).collect();
    let named = sources.split("words(\"").skip(1);
    let named = named.filter_map(|rest| Some(rest.split('"').next()?.to_owned()));
    let mut keys: Vec<_> = named.filter(|key| key.contains('.')).collect();
    keys.extend(TRAPS.iter().map(|trap| format!("trap.{trap}")));
    let checks = CHECKS.iter();
    keys.extend(checks.flat_map(|check| [check.action().key, check.expected().key]));
    for key in &keys {
        assert!(SENTENCES.contains_key(&**key), "no sentence for {key}");
    }
    let fields = |text: &str| ["{0}", "{1}", "{2}", "{3}"].map(|field| text.contains(field));
    for (key, [english, korean]) in SENTENCES.iter() {
        let is_named = sources.contains(&format!("\"{key}\""));
        let is_used = is_named || keys.iter().any(|used| used == key);
        assert!(is_used, "nothing says {key}");
        let [in_english, in_korean] =
            [english, korean].map(|text| text.contains(|c| ('가'..='힣').contains(&c)));
        let is_right = !english.is_empty() && !in_english && in_korean;
        assert!(is_right, "{key}: {english}: {korean}");
        assert_eq!(fields(english), fields(korean), "{key}");
    }
}
