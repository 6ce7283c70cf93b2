//! Accounts.

#![allow(dead_code, reason = "these types are the shape of what is read and written elsewhere, member by member")]

use serde_json::json;
use utoipa::ToSchema;

use super::Request;
use crate::model::{AccountName, UserName, Wall};

#[derive(ToSchema)]
struct Registration {
    user: AccountName,
    /// 8 to 1,024 bytes; not the name, and not one character again and again.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    password: (),
    /// The code of an invitation, where it takes one.
    code: Option<String>,
}

#[derive(ToSchema)]
struct Registered {
    user: AccountName,
}

#[derive(ToSchema)]
struct Credentials {
    user: String,
    #[schema(format = Password)]
    password: String,
}

/// What lets its bearer in as this user.
#[derive(ToSchema)]
struct Login {
    /// Keep it secret.
    token: String,
    user: UserName,
    expires_at: Wall,
}

#[derive(ToSchema)]
struct PasswordChange {
    /// The present password.
    #[schema(format = Password)]
    old: String,
    /// 8 to 1,024 bytes; not the name, and not one character again and again.
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new: String,
}

pub(super) fn requests() -> Vec<Request> {
    let password = "correct horse";
    vec![
        Request::post("/v1/accounts", "register", "Make an account")
            .says::<Registration>(json!({ "user": "dora", "password": password }))
            .gives::<Registered>(201, "It is made.")
            .refuses(&[409, 422])
            .works(),
        Request::post("/v1/login", "login", "Get a token by a password")
            .says::<Credentials>(json!({ "user": "dora", "password": password }))
            .gives::<Login>(200, "A token of its own for each login.")
            .refuses(&[401])
            .works(),
        Request::post("/v1/logout", "logout", "Make the token void, and end its sessions")
            .for_users()
            .gives_nothing(204, "It is void.")
            .works(),
        Request::post("/v1/password", "changePassword", "Choose another password")
            .about("The token that asks stays; every other one of the account is void.")
            .for_users()
            .says::<PasswordChange>(json!({ "old": password, "new": "battery staple" }))
            .gives_nothing(204, "It is changed.")
            .refuses(&[422])
            .works(),
    ]
}
