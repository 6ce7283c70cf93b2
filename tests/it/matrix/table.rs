//! Who may do what, as PROTOCOL.md has it (sections 2, 4 and 6), and where that leaves a choice `docs/protocol/choices.md`.
//!
//! `+` done, `-` `forbidden`, `?` `not_found`, `=` `conflict`, `x` `not_joined`, `!` `unauthenticated`, `u` `unknown_type`.

/// Those who try. Each row has a mark for each of them, in this order.
pub const WHO: [&str; 9] =
    ["stranger", "guest", "member", "muted", "moderator", "owner", "banned", "invited", "operator"];

/// Commands about a channel: in a public one; in a private one; and in a direct one, first by whoever is none of the two,
/// then by one of them.
///
/// `$me` is who tries. `zora` made the channel and `quill` is a member; there is no account `nosuch`.
pub const COMMANDS: [(&str, &str, &str, &str); 41] = [
    (r#"{"type":"join"}"#, "++++++-++", "??++++?++", "?+"),
    (r#"{"type":"join","member":false}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"join","since":{"epoch":"e","seq":1}}"#, "++++++-++", "??++++?++", "?+"),
    (r#"{"type":"join","tail":1}"#, "++++++-++", "??++++?++", "?+"),
    (r#"{"type":"leave"}"#, "xx++++xxx", "xx++++xxx", "x+"),
    (r#"{"type":"leave","only":"session"}"#, "xx++++xxx", "xx++++xxx", "x+"),
    (r#"{"type":"publish","body":{}}"#, "+++-++-++", "??+-++?-+", "?+"),
    (r#"{"type":"publish","body":{},"ref":1}"#, "+++-++-++", "??+-++?-+", "?+"),
    (r#"{"type":"publish","body":{},"ref":99}"#, "+++-++-++", "??+-++?-+", "?+"),
    (r#"{"type":"publish","body":{},"key":"k","base":99}"#, "+++-++-++", "??+-++?-+", "?+"),
    (r#"{"type":"publish","body":{},"kind":"edit"}"#, "---------", "---------", "--"),
    (r#"{"type":"history"}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"history","before":99,"limit":1}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"history","hour":"2026-11-22T10"}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"who"}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"watch"}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"unwatch"}"#, "+++++++++", "+++++++++", "++"),
    (r#"{"type":"typing"}"#, "xx++++xxx", "xx++++xxx", "x+"),
    (r#"{"type":"read","seq":1}"#, "xx++++xxx", "??++++?xx", "?+"),
    (r#"{"type":"read","seq":99}"#, "xx++++xxx", "??++++?xx", "?+"),
    (r#"{"type":"members"}"#, "++++++-++", "??++++?-+", "?+"),
    (r#"{"type":"create"}"#, "=-=======", "=-=======", "?-"),
    (r#"{"type":"create","private":true,"title":"Mine"}"#, "=-=======", "=-=======", "?-"),
    (r#"{"type":"invite","user":"ernest"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"invite","user":"quill"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"invite","user":"nosuch"}"#, "----??--?", "??--???-?", "?-"),
    (r#"{"type":"invite","user":"~guest-abcde"}"#, "---------", "??----?--", "?-"),
    (r#"{"type":"kick","user":"quill"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"kick","user":"zora"}"#, "--------+", "??----?-+", "?-"),
    (r#"{"type":"kick","user":"nosuch"}"#, "----??--?", "??--???-?", "?-"),
    (r#"{"type":"kick","user":"$me"}"#, "---------", "??----?--", "?-"),
    (r#"{"type":"ban","user":"quill"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"ban","user":"nosuch"}"#, "----??--?", "??--???-?", "?-"),
    (r#"{"type":"unban","user":"quill"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"unban","user":"$me"}"#, "--------+", "??----?-+", "?-"),
    (r#"{"type":"role","user":"quill","role":"muted"}"#, "----++--+", "??--++?-+", "?-"),
    (r#"{"type":"role","user":"quill","role":"moderator"}"#, "-----+--+", "??---+?-+", "?-"),
    (r#"{"type":"role","user":"quill","role":"owner"}"#, "-----+--+", "??---+?-+", "?-"),
    (r#"{"type":"role","user":"nosuch","role":"muted"}"#, "----??--?", "??--???-?", "?-"),
    (r#"{"type":"role","user":"$me","role":"owner"}"#, "-----+--+", "??---+?-?", "?-"),
    (r#"{"type":"delete"}"#, "-----+--+", "??---+?-+", "?-"),
];

/// What is asked about a channel by plain requests alone. `post_members` is `members` by POST.
pub const REQUESTS: [(&str, &str, &str, &str); 2] = [
    (r#"{"type":"show"}"#, "++++++-++", "??++++?++", "?+"),
    (r#"{"type":"post_members"}"#, "++++++-++", "??++++?-+", "?+"),
];

/// Commands about no channel: of a guest, an account, and an operator.
pub const ELSEWHERE: [(&str, &str); 16] = [
    (r#"{"type":"hello","version":1}"#, "==="),
    (r#"{"type":"refresh","token":"$token"}"#, "+++"),
    (r#"{"type":"refresh","token":"$other"}"#, "---"),
    (r#"{"type":"refresh","token":"nosuch"}"#, "!!!"),
    (r#"{"type":"presence","users":["zora","nosuch"]}"#, "+++"),
    (r#"{"type":"watch","users":["zora","nosuch"]}"#, "+++"),
    (r#"{"type":"unwatch","users":["zora","nosuch"]}"#, "+++"),
    (r#"{"type":"channels"}"#, "+++"),
    (r#"{"type":"contacts"}"#, "-++"),
    (r#"{"type":"contacts","add":["zora"],"remove":["nosuch"]}"#, "-++"),
    (r#"{"type":"visible","on":false}"#, "+++"),
    (r#"{"type":"visible","on":true}"#, "+++"),
    (r#"{"type":"ping"}"#, "+++"),
    (r#"{"type":"dance"}"#, "uuu"),
    (r#"{"type":"create","channel":"of-$name"}"#, "-++"),
    (r#"{"type":"logout"}"#, "+++"),
];

/// Requests about no channel, and their statuses: without a token; by a guest, an account, an operator; and with a token that
/// is none.
///
/// `$n` is another number each time, `$sid` a session of zora's.
pub const ADDRESSES: &[(&str, &str, &str, [u16; 5])] = &[
    ("GET", "/", "", [200; 5]),
    ("GET", "/healthz", "", [200; 5]),
    ("GET", "/readyz", "", [200; 5]),
    ("GET", "/metrics", "", [200; 5]),
    ("GET", "/nothing", "", [404; 5]),
    ("POST", "/", "{}", [405; 5]),
    ("POST", "/healthz", "{}", [405; 5]),
    ("POST", "/readyz", "{}", [405; 5]),
    ("POST", "/metrics", "{}", [405; 5]),
    ("GET", "/v1/nothing", "", [404; 5]),
    ("GET", "/v1/ws", "", [400; 5]),
    ("GET", "/v1/channels", "", [200, 200, 200, 200, 401]),
    ("POST", "/v1/channels", "{}", [405; 5]),
    ("GET", "/v1/online", "", [200, 200, 200, 200, 401]),
    ("GET", "/v1/presence?users=zora,nosuch", "", [200, 200, 200, 200, 401]),
    ("GET", "/v1/admin/actors", "", [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/sessions", "", [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/sessions?user=zora", "", [401, 403, 403, 200, 401]),
    ("POST", "/v1/admin/actors", "{}", [405; 5]),
    ("DELETE", "/v1/admin/sessions/0123456789ab", "", [401, 403, 403, 404, 401]),
    ("DELETE", "/v1/admin/sessions/$sid", "", [401, 403, 403, 204, 401]),
    ("GET", "/v1/admin/config", "", [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/log", "", [401, 403, 403, 409, 401]),
    ("PUT", "/v1/admin/log", r#"{"filter":"info"}"#, [401, 403, 403, 409, 401]),
    ("GET", "/v1/admin/channels", "", [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/channels?search=quill&sort=bytes&limit=1", "", [401, 403, 403, 200, 401]),
    ("POST", "/v1/admin/channels", "{}", [405; 5]),
    ("GET", "/v1/admin/channels/@quill:zora", "", [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/channels/nosuch", "", [401, 403, 403, 404, 401]),
    ("POST", "/v1/admin/channels/nosuch", "{}", [405; 5]),
    ("DELETE", "/v1/admin/channels/nosuch", "", [401, 403, 403, 404, 401]),
    ("POST", "/v1/admin/channels/nosuch/passivate", "{}", [401, 403, 403, 404, 401]),
    ("POST", "/v1/admin/channels/@quill:zora/passivate", "{}", [401, 403, 403, 409, 401]),
    ("POST", "/v1/admin/channels/@quill:zora/trim", r#"{"below":1}"#, [401, 403, 403, 200, 401]),
    ("POST", "/v1/admin/channels/nosuch/trim", r#"{"below":1}"#, [401, 403, 403, 404, 401]),
    ("PUT", "/v1/admin/channels/nosuch/retention", r#"{"count":1}"#, [401, 403, 403, 404, 401]),
    ("PUT", "/v1/admin/channels/@quill:zora/retention", r#"{"count":9}"#, [401, 403, 403, 200, 401]),
    ("GET", "/v1/admin/channels/@quill:zora/retention", "", [405; 5]),
    ("DELETE", "/v1/admin/channels/@quill:zora", "", [401, 403, 403, 204, 401]),
    ("GET", "/v1/admin/nothing", "", [404; 5]),
    ("POST", "/v1/sessions", r#"{"type":"hello","version":1}"#, [201, 201, 201, 201, 401]),
    ("GET", "/v1/sessions/0-00/events?after=0", "", [404; 5]),
    ("GET", "/v1/sessions/self/events?after=0", "", [404; 5]),
    ("POST", "/v1/sessions/0-00/commands", r#"{"type":"ping"}"#, [404; 5]),
    ("DELETE", "/v1/sessions/0-00", "", [404; 5]),
    ("POST", "/v1/accounts", r#"{"user":"new$n","password":"correct horse"}"#, [201; 5]),
    ("POST", "/v1/accounts", r#"{"user":"zora","password":"correct horse"}"#, [409; 5]),
    ("POST", "/v1/accounts", r#"{"user":"Zora","password":"correct horse"}"#, [422; 5]),
    ("POST", "/v1/login", r#"{"user":"zora","password":"not hers"}"#, [401; 5]),
    ("POST", "/v1/login", r#"{"user":"nosuch","password":"not hers"}"#, [401; 5]),
    ("POST", "/v1/password", r#"{"old":"not his","new":"battery staple"}"#, [401, 403, 401, 401, 401]),
    ("POST", "/v1/logout", "", [401, 204, 204, 204, 401]),
    ("POST", "/v1/logout", "", [401; 5]),
];
