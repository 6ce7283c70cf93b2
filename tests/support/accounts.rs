//! Accounts for scenarios: made, logged in to, and talked through.

use serde_json::{Value, json};

use super::client::Client;
use super::http::{Answer, Request};
use super::site::Site;

/// The password of the account of this name.
pub fn password(name: &str) -> String {
    format!("{name}'s correct horse")
}

impl Site {
    /// Posts an object, with a token if there is one.
    pub async fn post(&self, path: &str, token: Option<&str>, said: Value) -> Answer {
        let request = Request::post(path, said.to_string());
        let bearer = token.map(|token| format!("Bearer {token}"));
        self.ask(bearer.into_iter().fold(request, |request, is| request.with("Authorization", &is))).await
    }

    /// Asks for an account of this name.
    pub async fn sign_up(&self, name: &str) -> Answer {
        self.post("/v1/accounts", None, json!({"user": name, "password": password(name)})).await
    }

    /// Logs in with a password.
    pub async fn login_with(&self, name: &str, password: &str) -> Answer {
        self.post("/v1/login", None, json!({"user": name, "password": password})).await
    }

    /// A token of the account of this name.
    pub async fn login(&self, name: &str) -> String {
        let answer = self.login_with(name, &password(name)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// The account of this name, made if it is not there, logged in and welcomed.
    pub async fn account(&self, name: &str) -> Client {
        let made = self.sign_up(name).await;
        assert!(matches!(made.status, 201 | 409), "{made:?}");
        let token = self.login(name).await;
        self.with_token(name, &token).await
    }
}
