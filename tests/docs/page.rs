//! Reading a page: its fenced blocks, and the frames that stand in its sentences.

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The number of its first line.
    pub line: usize,
    /// The words of its info string.
    pub info: Vec<String>,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Block {
    /// What sort of block it is.
    pub fn kind(&self) -> &str {
        self.info.first().map_or("", String::as_str)
    }

    /// Whether it is replayed.
    pub fn is_replayed(&self) -> bool {
        matches!(self.kind(), "websocket" | "curl")
    }

    /// Whether it shows what goes over the wire.
    pub fn shows_frames(&self) -> bool {
        self.lines.iter().any(|line| {
            let said = line.trim_start().trim_start_matches(['>', '<', '#', '$']).trim_start();
            line.contains("{\"type\"") || said.starts_with("curl ") || said.starts_with("HTTP/1")
        })
    }

    /// The keys of the configuration that its server differs in, as `limits.sessions=1`. With any it has one of its own.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        self.info.iter().filter_map(|word| word.split_once('=')).collect()
    }

    /// Who speaks: the name of a connection that other blocks of the page may go on with.
    pub fn speaker(&self) -> &str {
        self.info.get(1).filter(|word| !word.contains('=')).map_or("", String::as_str)
    }
}

/// The fenced blocks of a page, in order.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match (&mut open, bare.strip_prefix("```")) {
            (None, Some(info)) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                open = Some((Block { line: number + 2, info, lines: Vec::new() }, indent));
            }
            (Some(_), Some("")) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, fence)), _) => block.lines.push(line[indent.min(*fence)..].to_owned()),
            (None, None) => {}
        }
    }
    blocks
}

/// The frames that stand in backticks outside of blocks, with the numbers of their lines.
pub fn inline_frames(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let words = line.split('`').skip(1).step_by(2).filter(|word| word.starts_with("{\"type\""));
            found.extend(words.map(|word| (number + 1, word.to_owned())));
        }
    }
    found
}

#[test]
fn blocks_are_found_with_their_info_and_without_their_indent() {
    let text = "a\n```websocket ann\n> {}\n```\n- b\n  ```\n  < {\"type\":1}\n    c\n  ```\n";
    let blocks = blocks(text);
    assert_eq!((blocks[0].line, blocks[0].kind(), blocks[0].speaker()), (3, "websocket", "ann"));
    assert_eq!(blocks[1].lines, ["< {\"type\":1}", "  c"]);
    assert!(blocks[0].is_replayed() && !blocks[1].is_replayed() && blocks[1].shows_frames());
}

#[test]
fn settings_are_no_speaker() {
    let block = &blocks("```curl limits.sessions=1\n```")[0];
    assert_eq!((block.speaker(), block.settings()), ("", vec![("limits.sessions", "1")]));
}

#[test]
fn frames_in_sentences_are_found_outside_of_blocks() {
    let text = "say `{\"type\":\"ping\"}` or `ping`\n```\n`{\"type\":\"no\"}`\n```";
    assert_eq!(inline_frames(text), [(1, "{\"type\":\"ping\"}".to_owned())]);
}
