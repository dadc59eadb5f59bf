//! Requests to the hub.

use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, StatusCode, header};
use ureq::{Agent, Body};

use super::HubSettings;
use super::error::{Error, Result};

/// Redirects within the hub that are followed.
const REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(15);
/// Silence after which a connection counts as broken.
const SILENCE: Duration = Duration::from_secs(60);

/// A client of the hub. The token goes to the hub's own host alone.
pub struct Client {
    following: Agent,
    direct: Agent,
    endpoint: String,
    token: Option<String>,
}

impl Client {
    pub fn new(settings: &HubSettings) -> Result<Self> {
        if settings.offline {
            return Err(Error::Offline);
        }
        let endpoint = settings.endpoint.clone();
        if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            return Err(Error::Endpoint(endpoint));
        }
        let agent = |redirects| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(redirects)
                .max_redirects_will_error(redirects > 0)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .timeout_connect(Some(CONNECT))
                .timeout_recv_response(Some(SILENCE))
                .timeout_per_read(Some(SILENCE))
                // Bytes are resumed and hashed as the hub stores them.
                .accept_encoding("identity")
                .user_agent(concat!("c3/", env!("CARGO_PKG_VERSION")));
            Agent::new_with_config(config.build())
        };
        Ok(Self { following: agent(10), direct: agent(0), endpoint, token: settings.token() })
    }

    /// The address of `path` on the hub.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.endpoint)
    }

    /// Asks for `url`, from byte `from` on.
    pub fn get(&self, url: &str, from: u64) -> Result<Response<Body>> {
        let mut request = self.following.get(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let answer = request.call().map_err(|source| connection(url, source))?;
        self.expect_success(url, answer)
    }

    /// The headers of `url`. A redirect to another host is not followed: what the hub says of the
    /// file stands in its own answer.
    pub fn head(&self, url: &str) -> Result<HeaderMap> {
        let mut url = url.to_owned();
        for _ in 0..REDIRECTS {
            let mut request = self.direct.head(&url);
            if let Some(token) = &self.token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = request.call().map_err(|source| connection(&url, source))?;
            if !answer.status().is_redirection() {
                return Ok(self.expect_success(&url, answer)?.headers().clone());
            }
            let location = answer.headers().get(header::LOCATION).and_then(|at| at.to_str().ok());
            match location {
                Some(path) if path.starts_with('/') && !path.starts_with("//") => {
                    url = self.url(&path[1..]);
                }
                _ => return Ok(answer.headers().clone()),
            }
        }
        Err(Error::Answer { url, reason: "redirected without end".into() })
    }

    fn expect_success(&self, url: &str, answer: Response<Body>) -> Result<Response<Body>> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer.headers().get("x-error-message").and_then(|m| m.to_str().ok());
        let (url, message) = (url.to_owned(), message.map(str::to_owned));
        let code = status.as_u16();
        Err(match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Error::Refused { url, status: code, message, with_token: self.token.is_some() }
            }
            StatusCode::NOT_FOUND => Error::NotFound { url, message },
            _ => Error::Status { url, status: code, message },
        })
    }
}

fn connection(url: &str, source: ureq::Error) -> Error {
    Error::Connection { url: url.to_owned(), source }
}
