//! Plain HTTP requests, as few words as will do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::client::DEADLINE;
use super::link::tcp;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Gets a page.
pub async fn get(to: SocketAddr, path: &str) -> Answer {
    get_with(to, path, &[]).await.unwrap_or_else(|why| panic!("GET {path}: {why}"))
}

/// Gets a page with headers of one's own; says why if there was no answer.
pub async fn get_with(to: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    let exchange = async {
        let mut stream = tcp(to, false).await?;
        stream.write_all(request.as_bytes()).await.map_err(|why| why.to_string())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.map_err(|why| why.to_string())?;
        let (mut answer, length) = head(&bytes).ok_or("no answer")?;
        answer.body = String::from_utf8_lossy(&bytes[length..]).into_owned();
        Ok(answer)
    };
    timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

/// Reads an answer's head; none if it has not come whole. Says how many bytes it takes.
pub(super) fn head(bytes: &[u8]) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = answer.parse(bytes) else { return None };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = answer.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value)));
    Some((Answer { status: answer.code?, headers: headers.collect(), body: String::new() }, length))
}
