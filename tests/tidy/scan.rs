//! Reading Rust without a parser: code without its comments, the insides of its strings, and its tests.

/// A source file as the rules see it.
pub struct Source {
    /// Its path from the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its text, line for line, with comments, the insides of strings, and what is under `#[cfg(test)]` left blank.
    pub code: String,
}

impl Source {
    /// A file at `path` that holds `text`.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: without_tests(&without_comments(text)) }
    }

    /// The folder under `src`, or the file's stem there: `config` for `src/config/raw.rs`, `clock` for `src/clock.rs`.
    pub fn folder(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let first = inside.split('/').next().unwrap_or(inside);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The number of the line that a place in the code is on.
    pub fn line(&self, at: usize) -> usize {
        1 + self.code[..at].matches('\n').count()
    }

    /// Where a word stands in the code, beginning and ending where a name would.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let named = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let starts = word.starts_with(|c: char| c.is_alphanumeric());
        let ends = word.ends_with(|c: char| c.is_alphanumeric());
        self.code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
            let (before, after) = (self.code[..at].chars().next_back(), self.code[at + word.len()..].chars().next());
            !(starts && named(before) || ends && named(after))
        })
    }
}

/// The text with comments and the insides of literals blanked; lines stay where they were.
pub fn without_comments(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` if none begins there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let is = |at: usize, c: char| chars.get(at) == Some(&c);
    let end_of_line = || chars[at..].iter().position(|&c| c == '\n').map_or(chars.len(), |more| at + more);
    match chars[at] {
        '/' if is(at + 1, '/') => end_of_line(),
        '/' if is(at + 1, '*') => {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < chars.len() {
                let step = if is(end, '*') && is(end + 1, '/') {
                    depth -= 1;
                    2
                } else if is(end, '/') && is(end + 1, '*') {
                    depth += 1;
                    2
                } else {
                    1
                };
                end += step;
            }
            end.min(chars.len())
        }
        '"' => quote_end(chars, at + 1, '"'),
        'r' if !at.checked_sub(1).is_some_and(|before| chars[before].is_alphanumeric() && chars[before] != 'b') => {
            let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
            let open = at + 1 + hashes;
            if !is(open, '"') {
                return at;
            }
            let closes = |end: &usize| is(*end, '"') && (1..=hashes).all(|more| is(end + more, '#'));
            (open + 1..chars.len()).find(closes).map_or(chars.len(), |end| end + hashes + 1)
        }
        // A character, and not a lifetime.
        '\'' if is(at + 1, '\\') || is(at + 2, '\'') => quote_end(chars, at + 1, '\''),
        _ => at,
    }
}

/// Behind the closing quote.
fn quote_end(chars: &[char], mut at: usize, quote: char) -> usize {
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// What introduces an item that is only there in tests.
const TEST_ONLY: &str = "#[cfg(test)]";

/// Code (without comments) with every item under `#[cfg(test)]` blanked.
pub fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(TEST_ONLY) {
        out.push_str(&rest[..at]);
        let length = item_length(&rest[at..]);
        out.extend(rest[at..at + length].chars().map(|c| if c == '\n' { c } else { ' ' }));
        rest = &rest[at + length..];
    }
    out + rest
}

/// The names of the modules that are only there in tests and live in files of their own.
pub fn test_modules(code: &str) -> impl Iterator<Item = &str> {
    code.match_indices(TEST_ONLY).filter_map(|(at, _)| {
        let item = &code[at + TEST_ONLY.len()..at + item_length(&code[at..])];
        item.trim().strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name.trim())
    })
}

/// How long an item is: to its semicolon, to the end of its braces, or to the end of what it stands in.
fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return at;
        }
        if depth == 0 && (c == '}' || c == ';') {
            return at + 1;
        }
    }
    item.len()
}

/// The folders of this crate that the code names: by `crate::x`, `crate::{x, y::z}`, or by enough `super::`.
pub fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found: Vec<_> = source
        .words("crate")
        .filter_map(|at| Some((at, source.code[at..].strip_prefix("crate::")?)))
        .flat_map(|(at, rest)| first_names(rest).into_iter().map(move |name| (at, name)))
        .collect();
    // `src/a/b.rs` is the module `a::b`: two steps up from there is the root.
    let stem = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = stem.split('/').count();
    let up = "super::".repeat(depth);
    for at in source.words(&up) {
        if !source.code[..at].ends_with("super::") {
            found.extend(first_names(&source.code[at + up.len()..]).into_iter().map(|name| (at, name)));
        }
    }
    found.into_iter().map(|(at, name)| (source.line(at), name)).collect()
}

/// The first names of a path, or of each path of a group.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        let name = path.chars().take_while(|&c| c.is_alphanumeric() || c == '_');
        return vec![name.collect()];
    };
    let (mut depth, mut names, mut from) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        if depth == 0 && (c == ',' || c == '}') {
            names.extend(first_names(group[from..at].trim()).into_iter().filter(|name| !name.is_empty()));
            from = at + 1;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

#[test]
fn comments_strings_and_characters_are_blanked_and_lines_stay() {
    let text = "a // crate::x\n/* b /* c */\n d */ e(\"f \\\" g\", 'h', '\\'', r#\"i\" j\"#, b\"k\") <'l> r";
    let code = without_comments(text);
    assert_eq!(code.matches('\n').count(), 2);
    let words: String = code.chars().filter(|c| c.is_alphabetic()).collect();
    assert_eq!(words, "aeblr", "{code}");
}

#[test]
fn items_that_only_tests_have_are_blanked() {
    let code = "a\n#[cfg(test)]\nmod t {\n fn b() { c() }\n}\nd\n#[cfg(test)]\nuse e;\n#[cfg(test)]\npub mod f;\ng";
    let words: String = without_tests(code).chars().filter(|c| c.is_alphabetic()).collect();
    assert_eq!(words, "adg");
    assert_eq!(test_modules(code).collect::<Vec<_>>(), ["f"]);
}

#[test]
fn imports_are_found_in_paths_groups_and_supers() {
    let text = "use crate::model::Seq;\nuse crate::{clock, store::{a, b}, auth};\nuse super::super::channel::X;\n\
                fn f(x: crate::session::S) { super::g(); mycrate::no() }";
    let found = imports(&Source::new("src/config/raw.rs", text));
    let mut found: Vec<_> = found.iter().map(|(line, name)| format!("{line} {name}")).collect();
    found.sort();
    assert_eq!(found, ["1 model", "2 auth", "2 clock", "2 store", "3 channel", "4 session"]);
    assert_eq!(imports(&Source::new("src/config/mod.rs", "use super::store;")), [(1, "store".to_owned())]);
}
