//! A short note to whoever makes the software behind a storm.

use crate::account::Account;
use crate::document::is_unfit;
use crate::number;

/// The note, as plain text to be mailed: what their software does, since when, what it costs, and what would help. It
/// names no network.
pub fn note(account: &Account) -> String {
    let facts: String = account.described.iter().map(|fact| format!("  {}\n", fit(fact))).collect();
    let interval = account.interval.map_or_else(String::new, |interval| {
        format!("Each client comes back every {}.\n", number::seconds(interval.seconds))
    });
    let clients = number::count(account.clients.value);
    format!(
        "Subject: your software and {site}\n\
         \n\
         Hello,\n\
         \n\
         since {onset} a program sends many requests to {site}, and what they have in common suggests that it is yours:\n\
         \n\
         {facts}\
         \n\
         At the peak there were {peak} requests a second ({bits}), in all {total} requests ({bytes}) from some {clients} clients.\n\
         {interval}\
         This is more than the site can carry, so such requests {fate}.\n\
         \n\
         What would help: fetch with GET, keep what you fetched, ask again with If-None-Match or If-Modified-Since, not more than once\n\
         a day, spread over the day and with a growing delay after an error; or serve a copy of your own. If the program needs\n\
         something else, tell us, and we shall find a way.\n\
         \n\
         The numbers are from {program}, which keeps no visitor log; we can send the whole report.\n",
        site = fit(&account.site),
        onset = number::time(account.onset),
        peak = number::count(account.peak.requests),
        bits = number::bits_per_second(account.peak.bytes),
        total = number::count(account.total.requests),
        bytes = number::bytes(account.total.bytes),
        fate = if account.actions.is_empty() { "may have to be refused" } else { "are refused for now" },
        program = fit(&account.program),
    )
}

fn fit(text: &str) -> String {
    text.chars().map(|character| if is_unfit(character) { '\u{fffd}' } else { character }).collect()
}
