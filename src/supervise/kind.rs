//! What a kind of actor is called, what it is told, and how it ends: the labels of its figures. All of it is known when
//! the server is built, so that nothing that happens later makes a new series.

/// An enumeration that names its variants, written with `named!`.
pub trait Named {
    /// The variants, as they stand in the source.
    const NAMES: &'static [&'static str];
    /// Which of them this is.
    fn index(&self) -> usize;
}

/// Names an enumeration's variants: `named!(Fruit: Apple, Pear);`. It does not compile with one too few or too many.
macro_rules! named {
    ($type:ty: $($variant:ident),+ $(,)?) => {
        impl $crate::supervise::Named for $type {
            const NAMES: &'static [&'static str] = &[$(stringify!($variant)),+];

            fn index(&self) -> usize {
                enum Place {
                    $($variant),+
                }
                match self {
                    $(Self::$variant { .. } => Place::$variant as usize),+
                }
            }
        }
    };
}

pub(crate) use named;

/// A kind of actor.
#[derive(Debug)]
pub struct Kind {
    /// Its name, in `snake_case`.
    pub name: &'static str,
    /// The variants of each type of message that it is sent.
    pub messages: &'static [&'static [&'static str]],
    /// How one may end. The first is for one that ends with its thread, and says nothing of why.
    pub endings: &'static [&'static str],
}

/// How an actor ends that lives as long as the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// With the server.
    Stopped,
}

named!(Lasting: Stopped);

impl Kind {
    /// Where the names of `M` begin among those of all messages; behind them if it is none that this kind is sent.
    pub(super) fn first<M: Named>(&self) -> usize {
        let is = |names: &&&[&str]| names.len() == M::NAMES.len() && names.first() == M::NAMES.first();
        let before = match self.messages {
            [_] => 0,
            all => all.iter().position(|names| is(&names)).unwrap_or(all.len()),
        };
        self.messages.iter().take(before).map(|names| names.len()).sum()
    }
}

/// `SnakeCase` as `snake_case`.
pub(super) fn snake(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Fruit {
        Apple,
        SweetPear(#[expect(dead_code, reason = "a name is all that counts")] u8),
    }

    enum Stone {
        Flint,
    }

    named!(Fruit: Apple, SweetPear);
    named!(Stone: Flint);

    #[test]
    fn a_message_is_found_among_those_of_all_types() {
        let kind = Kind { name: "test", messages: &[Fruit::NAMES, Stone::NAMES], endings: Lasting::NAMES };
        assert_eq!((kind.first::<Fruit>(), kind.first::<Stone>(), kind.first::<Lasting>()), (0, 2, 3));
        assert_eq!((Fruit::Apple.index(), Fruit::SweetPear(7).index(), Stone::Flint.index()), (0, 1, 0));
        assert_eq!(snake(Fruit::NAMES[1]), "sweet_pear");
    }
}
