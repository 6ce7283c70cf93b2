//! As much of sh as the pages use: words with quotes, variables and `$(…)`, assignments, pipes and comments; and as
//! much of curl. A comment behind a command is what the page says that it prints.

use std::iter::Peekable;
use std::str::Chars;

/// The one function that pages may define, to take a member out of a frame.
pub const MEMBER: &str = r#"member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }"#;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `$NAME`
    Variable(String),
    /// `$(…)`
    Output(Pipeline),
}

/// A word.
pub type Word = Vec<Piece>;
/// Commands, each a list of words, that hand their output on.
pub type Pipeline = Vec<Vec<Word>>;

/// A command line, and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    /// The commands.
    pub pipeline: Pipeline,
    /// The lines that the page shows below.
    pub prints: Vec<String>,
}

/// Reads a block.
pub fn read(lines: &[String]) -> Result<Vec<Statement>, String> {
    let mut statements: Vec<Statement> = Vec::new();
    let text: Vec<&str> = lines.iter().map(String::as_str).filter(|line| line.trim() != MEMBER).collect();
    let text = text.join("\n");
    let mut rest = text.chars().peekable();
    loop {
        skip_blanks(&mut rest);
        match rest.peek() {
            None => return Ok(statements),
            Some('\n' | ';') => drop(rest.next()),
            Some('#') => {
                let comment: String = std::iter::from_fn(|| rest.next_if(|&c| c != '\n')).skip(1).collect();
                let Some(last) = statements.last_mut() else {
                    return Err("a comment stands before every command: say it outside of the block".to_owned());
                };
                let line = comment.strip_prefix(' ').unwrap_or(&comment);
                // Indented lines go on with the one before.
                match last.prints.last_mut() {
                    Some(before) if line.starts_with(' ') => before.push_str(line.trim_start()),
                    _ => last.prints.push(line.to_owned()),
                }
            }
            Some(_) => statements.push(Statement { pipeline: pipeline(&mut rest)?, prints: Vec::new() }),
        }
    }
}

/// Passes over spaces and over line ends that are none.
fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    loop {
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some(' '), _) => drop(rest.next()),
            (Some('\\'), Some('\n')) => *rest = ahead,
            _ => return,
        }
    }
}

fn pipeline(rest: &mut Peekable<Chars<'_>>) -> Result<Pipeline, String> {
    let mut commands = vec![Vec::new()];
    loop {
        skip_blanks(rest);
        match rest.peek() {
            None | Some('\n' | ')' | ';') => return Ok(commands),
            Some('|') => {
                rest.next();
                commands.push(Vec::new());
            }
            Some(_) => {
                let word = word(rest)?;
                commands.last_mut().ok_or("a pipe has no command")?.push(word);
            }
        }
    }
}

fn word(rest: &mut Peekable<Chars<'_>>) -> Result<Word, String> {
    let (mut pieces, mut text, mut quoted) = (Vec::new(), String::new(), false);
    while let Some(&c) = rest.peek() {
        match c {
            '"' => quoted = !quoted,
            '\'' if !quoted => {
                rest.next();
                text.extend(std::iter::from_fn(|| rest.next_if(|&c| c != '\'')));
                if rest.peek().is_none() {
                    return Err("a quote does not end".to_owned());
                }
            }
            '$' => {
                rest.next();
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(expansion(rest)?);
                continue;
            }
            '\\' => {
                rest.next();
                // Between quotes only some characters can be escaped.
                let escaped = rest.peek().copied().ok_or("a backslash stands at the end")?;
                if quoted && !"\"$\\`\n".contains(escaped) {
                    text.push('\\');
                }
                text.push(escaped);
            }
            ' ' | '\n' | '|' | ')' | ';' if !quoted => break,
            '&' | '<' | '>' | '(' | '`' | '*' | '?' | '[' | '{' | '~' if !quoted => {
                return Err(format!("{c:?} means something to sh that is not understood here: quote it"));
            }
            other => text.push(other),
        }
        rest.next();
    }
    if quoted {
        return Err("a quote does not end".to_owned());
    }
    pieces.push(Piece::Text(text));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    Ok(pieces)
}

fn expansion(rest: &mut Peekable<Chars<'_>>) -> Result<Piece, String> {
    if rest.next_if_eq(&'(').is_some() {
        let inner = pipeline(rest)?;
        return match rest.next() {
            Some(')') => Ok(Piece::Output(inner)),
            _ => Err("`$(` does not end".to_owned()),
        };
    }
    let name: String = std::iter::from_fn(|| rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')).collect();
    if name.is_empty() { Err("`$` names nothing".to_owned()) } else { Ok(Piece::Variable(name)) }
}

/// What a curl command asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Curl {
    /// `-X`, or what follows from `-d`.
    pub method: String,
    /// The URL.
    pub url: String,
    /// `-H`, and what curl adds by itself.
    pub headers: Vec<(String, String)>,
    /// `-d`
    pub body: String,
    /// `-i`: the head is printed, too.
    pub head: bool,
}

/// Reads the arguments of curl.
pub fn curl(words: &[String]) -> Result<Curl, String> {
    let mut asked = Curl::default();
    let mut words = words.iter();
    let (mut data, mut silent) = (None, false);
    while let Some(word) = words.next() {
        let Some(flags) = word.strip_prefix('-') else {
            if !std::mem::replace(&mut asked.url, word.clone()).is_empty() {
                return Err(format!("curl: a second URL, {word}"));
            }
            continue;
        };
        for flag in flags.chars() {
            let mut value = || words.next().cloned().ok_or(format!("curl: -{flag} wants a value"));
            match flag {
                's' => silent = true,
                'i' => asked.head = true,
                'w' => drop(value()?),
                'X' => asked.method = value()?,
                'd' => data = Some(value()?),
                'H' => {
                    let header = value()?;
                    let (name, value) = header.split_once(':').ok_or(format!("curl: {header:?} is no header"))?;
                    asked.headers.push((name.to_owned(), value.trim().to_owned()));
                }
                other => return Err(format!("curl: -{other} is not understood here")),
            }
        }
    }
    if !silent || asked.url.is_empty() {
        return Err("curl: expected -s and a URL".to_owned());
    }
    if asked.method.is_empty() {
        if data.is_some() { "POST" } else { "GET" }.clone_into(&mut asked.method);
    }
    if data.is_some() && !asked.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        asked.headers.push(("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    asked.body = data.unwrap_or_default();
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn words_are_taken_apart_as_sh_does() {
        let read =
            read(&lines("A=b\necho \"$A/x\" 'y $A' z\\ z \\\n  | member m\n# {\"a\":1,\n#    \"b\":2}\n# c")).unwrap();
        assert_eq!(read[0].pipeline, [[[text("A=b")]]]);
        let echo = vec![
            vec![text("echo")],
            vec![Piece::Variable("A".to_owned()), text("/x")],
            vec![text("y $A")],
            vec![text("z z")],
        ];
        assert_eq!(read[1].pipeline, [echo, vec![vec![text("member")], vec![text("m")]]]);
        assert_eq!(read[1].prints, ["{\"a\":1,\"b\":2}", "c"]);
    }

    #[test]
    fn output_of_a_command_is_a_part_of_a_word() {
        let read = read(&lines("S=$(echo \"$W\" | member session)")).unwrap();
        let [Piece::Text(name), Piece::Output(inner)] = &read[0].pipeline[0][0][..] else { panic!("{read:?}") };
        assert_eq!((name.as_str(), inner.len()), ("S=", 2));
    }

    #[test]
    fn what_sh_would_take_otherwise_is_refused() {
        for bad in ["echo 'a", "echo \"a", "curl http://a?b&c", "a > b", "# first", "echo $(a"] {
            assert!(read(&lines(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn curl_says_that_data_is_a_form_unless_it_is_told_what_it_is() {
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let form = curl(&words("-si|-d|{}|http://a/b")).unwrap();
        assert_eq!((form.method.as_str(), form.head, form.headers.len()), ("POST", true, 1));
        let json = curl(&words("-s|-X|PUT|http://a/b|-H|content-type: application/json|-d|{}")).unwrap();
        assert_eq!((json.method.as_str(), json.headers[0].1.as_str()), ("PUT", "application/json"));
        for bad in ["http://a", "-s", "-s|-X", "-s|-z|http://a", "-s|http://a|http://b"] {
            assert!(curl(&words(bad)).is_err(), "{bad}");
        }
    }
}
