//! `/docs/guide`: the guide for callers, `docs/guide`, as pages.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{Data, Path, ServiceConfig};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use super::GUIDE;
use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::resource::read_only;

/// A page of the guide.
struct Page {
    /// The last segment of its path, and the name of its file without `.md`. The first page has none.
    name: &'static str,
    text: &'static str,
}

macro_rules! page {
    ($name:literal) => {
        page!($name, concat!("guide/", $name, ".md"))
    };
    ($name:literal, $file:expr) => {
        Page {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/", $file)),
        }
    };
}

/// The pages, in the order in which they should be read.
const PAGES: [Page; 11] = [
    page!("", "guide/README.md"),
    page!("authentication"),
    page!("errors"),
    page!("retries"),
    page!("lists"),
    page!("writes"),
    page!("visibility"),
    page!("caching"),
    page!("copies"),
    page!("events", "events.md"),
    page!("versioning"),
];

const STYLE: &str = include_str!("guide.css");

/// The `Content-Security-Policy` of the pages: they may load their style only.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Registers the resources.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(read_only(GUIDE, first_page))
        .service(read_only("/docs/guide/{name}", page));
}

async fn first_page(api: Data<Api>) -> Result<HttpResponse, Problem> {
    respond("", &api.settings().base_path)
}

async fn page(api: Data<Api>, name: Path<String>) -> Result<HttpResponse, Problem> {
    respond(&name, &api.settings().base_path)
}

fn respond(name: &str, base_path: &str) -> Result<HttpResponse, Problem> {
    let (media_type, body) = if name == "style.css" {
        ("text/css; charset=utf-8", STYLE.to_owned())
    } else {
        let page = PAGES.iter().find(|page| page.name == name);
        let page = page.ok_or_else(|| Problem::new(Code::NotFound, "The page does not exist."))?;
        ("text/html; charset=utf-8", page.render(base_path))
    };
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(body))
}

impl Page {
    fn title(&self) -> &'static str {
        let first_line = self.text.lines().next().unwrap_or_default();
        first_line.trim_start_matches(['#', ' '])
    }

    fn path(&self, base_path: &str) -> String {
        let separator = if self.name.is_empty() { "" } else { "/" };
        format!("{base_path}/docs/guide{separator}{}", self.name)
    }

    fn render(&self, base_path: &str) -> String {
        let title = self.title();
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title} · User service</title>\n\
             <link rel=\"stylesheet\" href=\"{base_path}/docs/guide/style.css\">\n</head>\n<body>\n<nav>\n"
        );
        for other in &PAGES {
            let current = if other.name == self.name {
                " aria-current=\"page\""
            } else {
                ""
            };
            let (path, title) = (other.path(base_path), other.title());
            // Writing to a string cannot fail.
            let _ = writeln!(page, "<a href=\"{path}\"{current}>{title}</a>");
        }
        page.push_str("</nav>\n<main>\n");
        let events = Parser::new_ext(self.text, Options::ENABLE_TABLES);
        html::push_html(&mut page, Adapted::new(events, base_path));
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }
}

/// The events of a Markdown file, with anchors in headings, and with links to what this service serves. A link to a
/// file that is not served is only its text.
struct Adapted<'a, I> {
    events: I,
    base_path: &'a str,
    /// The anchor of the heading that is being read.
    anchor: Option<String>,
    /// The end of a heading, after its anchor.
    next: Option<Event<'a>>,
    is_in_removed_link: bool,
}

impl<'a, I> Adapted<'a, I> {
    fn new(events: I, base_path: &'a str) -> Self {
        Self {
            events,
            base_path,
            anchor: None,
            next: None,
            is_in_removed_link: false,
        }
    }
}

impl<'a, I: Iterator<Item = Event<'a>>> Iterator for Adapted<'a, I> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if let Some(event) = self.next.take() {
            return Some(event);
        }
        loop {
            let mut event = self.events.next()?;
            match &mut event {
                Event::Start(Tag::Heading { .. }) => self.anchor = Some(String::new()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(anchor) = &mut self.anchor {
                        anchor.extend(text.chars().filter_map(anchor_character));
                    }
                }
                Event::End(TagEnd::Heading(_)) => {
                    let anchor = self.anchor.take().unwrap_or_default();
                    self.next = Some(event);
                    return Some(Event::InlineHtml(format!("<a id=\"{anchor}\"></a>").into()));
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    let Some(destination) = served(dest_url, self.base_path) else {
                        self.is_in_removed_link = true;
                        continue;
                    };
                    *dest_url = destination.into();
                }
                Event::End(TagEnd::Link) if self.is_in_removed_link => {
                    self.is_in_removed_link = false;
                    continue;
                }
                _ => {}
            }
            return Some(event);
        }
    }
}

/// Returns the character of an anchor for one of a heading, as code hosts do.
fn anchor_character(character: char) -> Option<char> {
    match character {
        ' ' => Some('-'),
        '-' | '_' => Some(character),
        _ if character.is_alphanumeric() => character.to_lowercase().next(),
        _ => None,
    }
}

/// Returns the address of a link in a file, or none if this service does not serve it.
fn served(link: &str, base_path: &str) -> Option<String> {
    if link.starts_with('#') || link.starts_with("https://") {
        return Some(link.to_owned());
    }
    let (file, fragment) = link.find('#').map_or((link, ""), |at| link.split_at(at));
    let name = match file.rsplit('/').next() {
        Some("README.md") if file == "README.md" => "",
        Some(document @ ("openapi.json" | "openapi-3.0.json" | "asyncapi.json")) => {
            return Some(format!("{base_path}/{document}"));
        }
        Some(name) => name.strip_suffix(".md")?,
        None => return None,
    };
    let page = PAGES.iter().find(|page| page.name == name)?;
    Some(format!("{}{fragment}", page.path(base_path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_every_code_under_its_status() {
        let errors = PAGES.iter().find(|page| page.name == "errors").unwrap();
        let mut status = "";
        let mut explained = Vec::new();
        for line in errors.text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                status = heading.split(':').next().unwrap();
            } else if let Some(code) = line.strip_prefix("### ") {
                explained.push(format!("{status} {}", code.trim_matches('`')));
            }
        }
        let mut codes = Code::ALL;
        codes.sort_by_key(|code| code.status());
        let sent = codes.map(|code| format!("{} {}", code.status().as_u16(), code.as_str()));
        assert_eq!(explained, sent);
    }

    #[test]
    fn every_link_between_pages_leads_to_a_heading() {
        let pages: Vec<(String, String)> = PAGES
            .iter()
            .map(|page| (page.path("/base"), page.render("/base")))
            .collect();
        let mut checked = 0;
        for (path, html) in &pages {
            for link in html.split("href=\"").skip(1) {
                let link = link.split('"').next().unwrap();
                let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
                let target = if target.is_empty() { path } else { target };
                if let Some((_, html)) = pages.iter().find(|(path, _)| path == target) {
                    let anchor = format!("<a id=\"{fragment}\"></a>");
                    assert!(
                        fragment.is_empty() || html.contains(&anchor),
                        "{path}: {link}"
                    );
                    checked += 1;
                } else {
                    let is_other = link.starts_with("https://")
                        || [
                            "/base/openapi.json",
                            "/base/openapi-3.0.json",
                            "/base/asyncapi.json",
                            "/base/docs/guide/style.css",
                        ]
                        .contains(&link);
                    assert!(is_other, "{path}: {link}");
                }
            }
        }
        assert!(checked > 2 * PAGES.len(), "{checked}");
    }

    #[test]
    fn a_link_to_a_file_that_is_not_served_is_its_text() {
        let text = "# A `b_c` d-e!\n\n[Errors](errors.md#x), [the runbook](../runbook.md), [all](README.md)";
        let mut html = String::new();
        html::push_html(&mut html, Adapted::new(Parser::new(text), "/base"));
        assert_eq!(
            html,
            "<h1>A <code>b_c</code> d-e!<a id=\"a-b_c-d-e\"></a></h1>\n\
             <p><a href=\"/base/docs/guide/errors#x\">Errors</a>, the runbook, <a href=\"/base/docs/guide\">all</a></p>\n"
        );
    }
}
