//! The report in a browser, where there is one.

use std::io::Write;
use std::process::Command;

use crate::report::{FIGURES, page};

/// Names that Chromium goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What a page reports on itself: figures that are shown, requests, and what went to the console.
/// Only in the copy that is tested: the report itself runs nothing.
const PROBE: &str = "<script>
addEventListener('load', () => {
  const shown = [...document.querySelectorAll('figure svg')].filter(s => {
    const box = s.getBoundingClientRect();
    return box.width > 200 && box.height > 150 && s.querySelectorAll('circle').length > 1;
  });
  const wide = document.documentElement.scrollWidth > innerWidth;
  const requests = performance.getEntriesByType('resource').map(e => e.name);
  document.title = JSON.stringify({ figures: shown.length, wide, requests, errors: window.errors });
  document.body.dataset.probe = document.title;
});
</script>";
const ERRORS: &str = "<script>
window.errors = [];
addEventListener('error', e => window.errors.push(e.message), true);
addEventListener('securitypolicyviolation', e => window.errors.push(e.blockedURI));
</script>";

#[test]
fn a_browser_shows_every_figure_and_asks_for_nothing() {
    let found = NAMES.iter().find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        // Written past the test harness's capture: a skipped test must be seen.
        let _ = writeln!(std::io::stderr(), "skipped: no Chromium here, the report was not opened");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path());
    let probed = page.replacen("<head>", &format!("<head>{ERRORS}"), 1);
    let probed = probed.replacen("</body>", &format!("{PROBE}</body>"), 1);
    let path = dir.path().join("report.html");
    std::fs::write(&path, probed).unwrap();
    for size in ["1280,900", "500,900"] {
        let profile = dir.path().join(format!("profile-{size}"));
        let run = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--enable-logging=stderr", "--v=0", "--dump-dom"])
            .arg(format!("--window-size={size}"))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("file://{}", path.display()))
            .output()
            .unwrap();
        let (dom, log) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        let probe = dom.split("data-probe=\"").nth(1).unwrap_or_else(|| panic!("{dom}\n{log}"));
        let probe = probe.split('"').next().unwrap().replace("&quot;", "\"");
        let probe: serde_json::Value = serde_json::from_str(&probe).unwrap();
        assert_eq!(probe["figures"], FIGURES, "{size}: {probe}");
        assert_eq!(probe["wide"], false, "{size}: the page scrolls sideways");
        assert_eq!(probe["requests"], serde_json::json!([]), "{size}");
        assert_eq!(probe["errors"], serde_json::json!([]), "{size}");
        let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(console.is_empty(), "{size}: {console:?}");
    }
}
