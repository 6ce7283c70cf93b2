//! Scripts and styles without what is for their readers: on the way to a browser nobody reads comments.
//!
//! Only lines that are nothing but comment go, and spaces around lines; the lines stay, empty, so that a browser speaks
//! of the same ones as the file. What stands between backticks over several lines is left alone.

/// The text without comments that have their lines to themselves, and without spaces at the ends of lines.
pub(super) fn lean(text: &str) -> String {
    // Where a template goes over several lines the spaces may be its own.
    let is_split = text.lines().any(|line| line.matches('`').count() % 2 == 1);
    let mut left = String::with_capacity(text.len());
    let mut rest = text.lines();
    while let Some(line) = rest.next() {
        let bare = line.trim();
        if bare.starts_with("/*") && !bare[2..].contains("*/") {
            left.push('\n');
            for line in rest.by_ref() {
                let end = line.find("*/").map(|at| &line[at + 2..]);
                left.push_str(end.unwrap_or_default());
                left.push('\n');
                if end.is_some() {
                    break;
                }
            }
            continue;
        }
        let is_comment = bare.starts_with("//") || (bare.starts_with("/*") && bare.find("*/") == Some(bare.len() - 2));
        if !is_comment {
            left.push_str(if is_split { line } else { bare });
        }
        left.push('\n');
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_that_have_their_lines_to_themselves_go_and_the_lines_stay() {
        let script = "// One.\n  let a = 1; // stays\n/** Two\n * and three. */\n  /* four */\nf(/* five */ a);\n";
        assert_eq!(lean(script), "\nlet a = 1; // stays\n\n\n\nf(/* five */ a);\n");
        assert_eq!(lean("/* One\n   two. */ a { b: c; }\n  /* d */ e\n"), "\n a { b: c; }\n/* d */ e\n");
    }

    #[test]
    fn what_a_template_holds_over_several_lines_is_its_own() {
        let script = "const a = `\n  b\n`;\n";
        assert_eq!(lean(script), script);
    }
}
