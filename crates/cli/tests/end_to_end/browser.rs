//! The report's page in Chromium: clicked through, in light and dark, wide and narrow. `MNASNET_TEST_CHROMIUM` names the program, and
//! `MNASNET_TEST_PICTURES` a folder for pictures of the page, to be looked at.

use std::path::PathBuf;

use mnasnet_testing::browser::Browser;

use crate::report::{CLASS, with_markup};

#[test]
#[ignore = "needs Chromium: MNASNET_TEST_CHROMIUM"]
fn the_page_works_and_strangers_names_do_not() {
    let program = std::env::var("MNASNET_TEST_CHROMIUM").expect("MNASNET_TEST_CHROMIUM names Chromium");
    let place = with_markup();
    let pictures = std::env::var_os("MNASNET_TEST_PICTURES").map_or(place.path("pictures"), PathBuf::from);
    std::fs::create_dir_all(&pictures).unwrap();
    let mut browser = Browser::start(&program, &place.path("profile"));
    browser.show(1280, "light");
    browser.open(&place.path("run/report.html"));

    // Names are text, and nothing of them has run or become an element.
    assert!(
        browser
            .value("document.title")
            .as_str()
            .unwrap()
            .starts_with("What run/")
    );
    let text = browser.value("document.querySelector('#classes').innerText");
    assert!(text.as_str().unwrap().contains(CLASS), "{text}");
    assert_eq!(
        browser.value("document.querySelectorAll('[onerror], [onload], img[src=x], script[src]').length"),
        0
    );
    assert_eq!(browser.value("document.querySelectorAll('script').length"), 1);
    // The page's own policy stops a script that were in it, and what would be fetched.
    let own = "const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s); \
               document.title";
    assert!(browser.value(own).as_str().unwrap().starts_with("What run/"));
    browser.value("new Promise((done) => setTimeout(done, 100))");
    let blocked = browser.told.len();
    assert!(
        blocked == 1 && browser.told[0].contains("Content Security Policy"),
        "{:?}",
        browser.told
    );

    // All pictures are there, with pixels.
    let broken = "(async () => { const all = [...document.images]; all.forEach((i) => i.loading = 'eager'); \
                  await Promise.all(all.map((i) => i.decode())); return [all.length, all.filter((i) => i.naturalWidth !== 128).length]; })()";
    let images = browser.value(broken);
    assert!(images[0].as_u64().unwrap() >= 9 && images[1] == 0, "{images}");

    // Counts become shares.
    let shown = "['count', 'share'].map((c) => getComputedStyle(document.querySelector('.matrix .' + c)).display)";
    assert_eq!(browser.value(shown), serde_json::json!(["inline", "none"]));
    browser.click("label[for=shares]");
    assert_eq!(browser.value(shown), serde_json::json!(["none", "inline"]));
    browser.click("label[for=counts]");

    // Columns sort, and sort the other way round.
    let column = "[...document.querySelectorAll('.sortable tbody tr')].map((row) => row.cells[0].textContent)";
    for (clicks, descending) in [(1, false), (2, true)] {
        browser.click("#classes thead th:first-child button");
        let names = browser.value(column);
        let mut sorted: Vec<String> = serde_json::from_value(names.clone()).unwrap();
        sorted.sort_by_key(|name| name.trim_start_matches('<').to_owned());
        // Punctuation comes before letters in either order.
        sorted.sort_by_key(|name| name.starts_with(char::is_alphabetic));
        if descending {
            sorted.reverse();
        }
        assert_eq!(names, serde_json::json!(sorted), "{clicks}");
    }
    // A pair opens and closes.
    let open = "document.querySelector('#confused details').open";
    let was = browser.value(open);
    browser.click("#confused summary");
    assert_eq!(browser.value(open), !was.as_bool().unwrap());
    browser.click("#confused summary");

    for (width, scheme) in [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")] {
        browser.show(width, scheme);
        // Nothing but tables within their own frame is wider than the screen.
        assert_eq!(
            browser.value("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "{width}"
        );
        let ground = browser.value("getComputedStyle(document.body).backgroundColor");
        assert_eq!(ground == "rgb(251, 251, 250)", scheme == "light", "{ground}");
        browser.value("scrollTo(0, 0)");
        browser.photograph(&pictures.join(format!("report-{width}-{scheme}.png")));
    }
    assert_eq!(browser.told.len(), blocked, "{:?}", browser.told);
}
