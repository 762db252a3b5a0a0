//! How often somebody may ask: reads and writes by caller, attempts to sign in by address.
//!
//! The defaults are far above what a person or a script asks; they keep one that has gone wild from keeping out the rest.
//! Not here: who is asking (`guard`), and how large a request may be (`router`).

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};
use trimtab_config::{ApiSettings, Rate};

use super::{ApiState, Way, guard::Caller, peers::site, problem::Problem};

/// Callers that are kept apart at once; beyond that those who have not asked lately are forgotten.
const CALLERS_MAX: usize = 1_024;

/// Everybody's allowance.
pub(crate) struct Limits<C: Clock = MonotonicClock> {
    reads: Limiter<String, C>,
    writes: Limiter<String, C>,
    attempts: Limiter<IpAddr, C>,
}

impl<C: Clock> fmt::Debug for Limits<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl Limits {
    /// The allowances that the settings give.
    pub(crate) fn of(settings: &ApiSettings) -> Self {
        Self::on(settings, &MonotonicClock)
    }
}

impl<C: Clock + Clone> Limits<C> {
    fn on(settings: &ApiSettings, clock: &C) -> Self {
        Self {
            reads: Limiter::new(settings.requests, clock),
            writes: Limiter::new(settings.writes, clock),
            attempts: Limiter::new(settings.logins, clock),
        }
    }

    /// Lets a caller's request through, or says when to ask again.
    pub(super) fn take(&self, caller: &str, method: &Method) -> Result<(), Problem> {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let (limiter, what, key) = if is_read {
            (&self.reads, "requests", "api.requests_per_second")
        } else {
            (&self.writes, "writes", "api.writes_per_second")
        };
        limiter.take(caller.to_owned()).map_err(|after| {
            Problem::too_many(
                format!("{caller} has sent more {what} than `{key}` allows: wait, then go on"),
                after,
            )
        })
    }

    /// Lets an attempt to sign in through, or says when to try again.
    fn take_attempt(&self, address: IpAddr) -> Result<(), Problem> {
        self.attempts.take(address).map_err(|after| {
            Problem::too_many(
                format!("{address} has tried to sign in more often than `api.logins_per_minute` allows: wait, then try again"),
                after,
            )
        })
    }
}

/// One kind of allowance, kept by key.
struct Limiter<K: Hash + Eq + Clone, C: Clock> {
    limiter: RateLimiter<K, HashMapStateStore<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Limiter<K, C> {
    fn new(rate: Rate, clock: &C) -> Self {
        // A rate is validated to be above zero; the longest time between two tokens is as closed as it gets.
        let quota = Quota::with_period(rate.period)
            .unwrap_or_else(|| Quota::per_hour(std::num::NonZeroU32::MIN))
            .allow_burst(rate.burst);
        Self {
            limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()),
            clock: clock.clone(),
        }
    }

    fn take(&self, key: K) -> Result<(), Duration> {
        if self.limiter.len() > CALLERS_MAX {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// What keeps count before a route.
#[derive(Debug, Clone)]
pub(crate) struct Gauge {
    pub(crate) state: ApiState,
    pub(crate) way: Way,
}

/// Lets requests through that are within their caller's allowance; it runs behind the guard, which knows the caller.
pub(crate) async fn count(State(gauge): State<Gauge>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().map_or("nobody", Caller::name);
    match gauge.state.limits.take(caller, request.method()) {
        Ok(()) => next.run(request).await,
        Err(problem) => match gauge.way {
            Way::Api => problem.into_response(),
            Way::Page => crate::web::problem_page(problem),
        },
    }
}

/// Lets attempts to sign in through that are within their address's allowance.
pub(crate) async fn count_attempts(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    // The form by itself asks nobody anything; all else tries a secret or the identity provider.
    let is_form = request.method() == Method::GET && request.uri().path() == "/login";
    if !is_form && let Err(problem) = state.limits.take_attempt(site(address)) {
        return crate::web::problem_page(problem);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, path::PathBuf};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rate(period: Duration, burst: u32) -> Rate {
        Rate { period, burst: NonZeroU32::new(burst).expect("above zero") }
    }

    #[test]
    fn each_caller_has_an_allowance_that_comes_back() {
        let clock = FakeRelativeClock::default();
        let settings = ApiSettings {
            token_file: PathBuf::new(),
            tls: None,
            oidc: None,
            requests: rate(Duration::from_millis(20), 5),
            writes: rate(Duration::from_millis(500), 2),
            logins: rate(Duration::from_secs(6), 1),
        };
        let limits = Limits::on(&settings, &clock);
        let taken = |caller: &str, method: Method| {
            (0..10).filter(|_| limits.take(caller, &method).is_ok()).count()
        };
        assert_eq!((taken("ada", Method::GET), taken("ada", Method::POST)), (5, 2));
        assert_eq!((taken("bob", Method::HEAD), taken("bob", Method::DELETE)), (5, 2));
        clock.advance(Duration::from_millis(100));
        assert_eq!((taken("ada", Method::GET), taken("ada", Method::POST)), (5, 0));
        clock.advance(Duration::from_millis(1_000));
        assert_eq!(taken("ada", Method::POST), 2);

        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(limits.take_attempt(address).is_ok());
        let refused = limits.take_attempt(address).expect_err("one in six seconds");
        assert_eq!((refused.status, refused.retry_after_s), (429, Some(6)));
        clock.advance(Duration::from_secs(6));
        assert!(limits.take_attempt(address).is_ok());
    }

    #[test]
    fn callers_that_come_once_are_forgotten() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::new(rate(Duration::from_secs(1), 1), &clock);
        for number in 0..3 * CALLERS_MAX {
            assert_eq!(limiter.take(number), Ok(()));
            clock.advance(Duration::from_millis(10));
        }
        assert!(limiter.limiter.len() <= CALLERS_MAX + 1, "{}", limiter.limiter.len());
    }
}
