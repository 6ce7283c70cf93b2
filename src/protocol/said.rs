//! The members of each command, as a client says them: what serde reads, and what the documents tell of it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::model::{AccountName, ChannelAsked, Hour, Place, Role, UserName, WishedName};

/// Say who you are: the first command of every session.
#[derive(Deserialize, ToSchema)]
pub struct Hello {
    /// The protocol's version: 1.
    #[schema(minimum = 1, maximum = 1)]
    pub version: u32,
    /// The token of a guest or an account that comes back; without one a new guest comes.
    pub token: Option<String>,
    /// The name that a new guest wishes for.
    #[schema(value_type = Option<WishedName>)]
    pub guest: Option<String>,
    /// What the client calls itself, for operators; 128 characters of it are kept.
    pub client: Option<String>,
}

/// Prolong a token, and have the session live by it.
#[derive(Deserialize, ToSchema)]
pub struct Refresh {
    /// A token of the same user.
    pub token: String,
}

/// Everything up to a place has come.
#[derive(Deserialize, ToSchema)]
pub struct Cursor<'a> {
    /// The life of the log that the place is of.
    #[schema(value_type = String)]
    pub epoch: Cow<'a, str>,
    /// The place.
    #[schema(value_type = Place)]
    pub seq: u64,
}

/// Takes an object only: serde would read a list as a struct, too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(reader)?;
        if !raw.get().starts_with('{') {
            return Err(serde::de::Error::custom("expected an object"));
        }
        serde_json::from_str(raw.get()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Have this session hear a channel, and be a member of it.
#[derive(Deserialize, ToSchema)]
pub struct Join<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Replay what came after this; not with `tail`.
    #[serde(borrow)]
    #[schema(value_type = Option<Cursor>)]
    pub since: Option<Object<Cursor<'a>>>,
    /// Replay so many of the newest messages; not with `since`.
    pub tail: Option<u64>,
    /// `false`: hear it without becoming a member.
    #[schema(default = true)]
    pub member: Option<bool>,
}

/// Be no member of a channel any more, and hear it on no session; or only stop hearing it on this one.
#[derive(Deserialize, ToSchema)]
pub struct Leave<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// `session`: stop hearing on this session, and stay a member.
    #[schema(pattern = "^session$")]
    pub only: Option<Cow<'a, str>>,
}

/// Say something in a channel.
#[derive(Deserialize, ToSchema)]
pub struct Publish<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// What is said; `text` in it is the convention for words. At most `limits.body_bytes`.
    #[serde(borrow)]
    #[schema(value_type = Object, example = json!({"text": "good morning"}))]
    pub body: &'a RawValue,
    /// The same user, channel and key never make two messages. 1 to 64 bytes.
    #[schema(min_length = 1, max_length = 64)]
    pub key: Option<Cow<'a, str>>,
    /// The newest place that was known when the key was first used: the key is looked for from there on.
    #[schema(value_type = Option<Place>)]
    pub base: Option<u64>,
    /// What sort of message, if more than words: an application's own.
    #[schema(pattern = "^x-[^\\u0000-\\u001f\\u007f-\\u009f]+$", max_length = 64, example = "x-poll")]
    pub kind: Option<Cow<'a, str>>,
    /// The place of the message that this one answers.
    #[serde(rename = "ref")]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_f64)]
    pub reply_to: Option<u64>,
}

/// Read what was said, without hearing the channel.
#[derive(Deserialize, ToSchema)]
pub struct History<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Messages below this place, the newest of them if `after` and `hour` are not said.
    #[schema(value_type = Option<Place>)]
    pub before: Option<u64>,
    /// Messages above this place, the oldest of them.
    #[schema(value_type = Option<Place>)]
    pub after: Option<u64>,
    /// Messages of this hour.
    #[schema(value_type = Option<Hour>)]
    pub hour: Option<Cow<'a, str>>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    pub limit: Option<u64>,
}

/// Ask how users are.
#[derive(Deserialize, ToSchema)]
pub struct Presence {
    /// Whom.
    #[schema(value_type = Vec<UserName>, max_items = 500)]
    pub users: Vec<String>,
}

/// Ask who is in a channel.
#[derive(Deserialize, ToSchema)]
pub struct Page<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Names after this one.
    #[schema(value_type = Option<UserName>)]
    pub after: Option<Cow<'a, str>>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    pub limit: Option<u64>,
}

/// Ask for the channels that you are a member of.
#[derive(Deserialize, ToSchema)]
pub struct Channels<'a> {
    /// Names after this one.
    #[schema(value_type = Option<ChannelAsked>)]
    pub after: Option<Cow<'a, str>>,
    /// At most so many; more than `limits.page_max` are never given.
    #[schema(minimum = 1, default = 50)]
    pub limit: Option<u64>,
}

/// Whose presence: `users`, or `channel`, or both.
#[derive(Deserialize, ToSchema)]
pub struct Watch<'a> {
    /// These users.
    #[schema(value_type = Option<Vec<UserName>>, max_items = 500)]
    pub users: Option<Vec<String>>,
    /// Everyone who is in this channel.
    #[schema(value_type = Option<ChannelAsked>)]
    pub channel: Option<Cow<'a, str>>,
}

/// Change the list of those whom your account wants to hear of, or only see it.
#[derive(Deserialize, ToSchema)]
pub struct Contacts {
    /// Who is to be on it.
    #[schema(value_type = Option<Vec<UserName>>, max_items = 500)]
    pub add: Option<Vec<String>>,
    /// Who is to be on it no more.
    #[schema(value_type = Option<Vec<UserName>>, max_items = 500)]
    pub remove: Option<Vec<String>>,
}

/// Whether others see how you are.
#[derive(Deserialize, ToSchema)]
pub struct Visible {
    /// They do.
    pub on: bool,
}

/// One channel, and nothing else.
#[derive(Deserialize, ToSchema)]
pub struct InChannel<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
}

/// Say how far you have read.
#[derive(Deserialize, ToSchema)]
pub struct Read<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Up to which place.
    #[schema(value_type = Place)]
    pub seq: u64,
}

/// Nothing.
#[derive(ToSchema)]
pub struct Nothing {}

/// Make a channel, and be its owner.
#[derive(Deserialize, ToSchema)]
pub struct Create<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// For those alone who are asked in.
    #[schema(default = false)]
    pub private: Option<bool>,
    /// What it is called: at most 256 bytes, no control characters.
    #[schema(max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub title: Option<Cow<'a, str>>,
}

/// Ask an account into a channel.
#[derive(Deserialize, ToSchema)]
pub struct Invite<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Whom.
    #[schema(value_type = AccountName)]
    pub user: Cow<'a, str>,
}

/// Put someone out of a channel, or take that back.
#[derive(Deserialize, ToSchema)]
pub struct Order<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Whom.
    #[schema(value_type = UserName)]
    pub user: Cow<'a, str>,
    /// Why, for people: at most 256 bytes, no control characters.
    #[schema(max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub reason: Option<Cow<'a, str>>,
}

/// Give someone another role in a channel.
#[derive(Deserialize, ToSchema)]
pub struct RoleOf<'a> {
    /// Which channel.
    #[schema(value_type = ChannelAsked)]
    pub channel: Cow<'a, str>,
    /// Whom.
    #[schema(value_type = UserName)]
    pub user: Cow<'a, str>,
    /// Which role.
    pub role: Role,
}
