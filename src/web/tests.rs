//! A page as a browser fetches it, and the operator page as it is.

use std::io::Read;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{App, test as web_test};
use flate2::read::GzDecoder;

use super::*;

fn made(script: &str) -> Page {
    let html = "<script type=\"module\" src=\"assets/main.js\"></script>".to_owned() + &" ".repeat(200);
    let files = [("index.html", html.as_str()), ("main.js", script), ("mark.svg", "<svg/>")];
    Page::new("admin", files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec()).unwrap()
}

async fn ask(page: &Page, method: Method, path: &str, headers: &[(&'static str, &str)]) -> ServiceResponse {
    ask_at("/admin", page, method, path, headers).await
}

/// As a host mounts it, with the page at `at`.
async fn ask_at(
    at: &str,
    page: &Page,
    method: Method,
    path: &str,
    headers: &[(&'static str, &str)],
) -> ServiceResponse {
    let scope = web::scope("/chat").configure(|cfg| page.configure(at, cfg));
    let app = web_test::init_service(App::new().service(scope)).await;
    let mut request = web_test::TestRequest::default().method(method).uri(path);
    for header in headers {
        request = request.insert_header(*header);
    }
    web_test::call_service(&app, request.to_request()).await
}

async fn get(page: &Page, path: &str, headers: &[(&'static str, &str)]) -> ServiceResponse {
    ask(page, Method::GET, path, headers).await
}

async fn text(answer: ServiceResponse) -> String {
    String::from_utf8(web_test::read_body(answer).await.to_vec()).unwrap()
}

fn header(answer: &ServiceResponse, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[actix_web::test]
async fn a_page_names_its_files_under_a_hash_of_them_and_they_may_be_kept_for_ever() {
    let (page, other) = (made("one()"), made("two()"));
    let answer = get(&page, "/chat/admin", &[]).await;
    assert_eq!(
        (header(&answer, "cache-control"), header(&answer, "content-type")),
        ("no-cache".into(), "text/html; charset=utf-8".into())
    );
    let html = text(answer).await;
    let named = html.split('"').find(|word| word.ends_with("main.js")).unwrap().to_owned();
    assert!(!text(get(&other, "/chat/admin", &[]).await).await.contains(&named), "another build has other names");
    let answer = get(&page, &format!("/chat/{named}"), &[]).await;
    assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header(&answer, "content-type"), "text/javascript; charset=utf-8");
    assert_eq!(text(answer).await, "one()\n");
    for gone in [format!("/chat/{}", named.replace("main.js", "none.js")), "/chat/admin/0/main.js".into()] {
        assert_eq!(get(&page, &gone, &[]).await.status(), 404, "{gone}");
    }
    assert_eq!(get(&other, &format!("/chat/{named}"), &[]).await.status(), 404);
}

#[actix_web::test]
async fn a_page_that_is_as_it_was_is_not_sent_again() {
    let page = made("one()");
    let tag = header(&get(&page, "/chat/admin", &[]).await, "etag");
    let answer = get(&page, "/chat/admin", &[("If-None-Match", &format!("\"x\", {tag}"))]).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (304, tag.clone()));
    assert_eq!(text(answer).await, "");
    assert_eq!(get(&made("two()"), "/chat/admin", &[("If-None-Match", &tag)]).await.status(), 200);
}

#[actix_web::test]
async fn it_is_compressed_for_whoever_understands_that() {
    let page = made("one()");
    let plain = text(get(&page, "/chat/admin", &[]).await).await;
    for (taken, packed) in [
        ("gzip, deflate, br", true),
        ("gzip;q=0.5, identity;q=0.1", true),
        ("gzip;q=0", false),
        ("br", false),
        ("identity", false),
        ("", false),
    ] {
        let answer = get(&page, "/chat/admin", &[("Accept-Encoding", taken)]).await;
        assert_eq!(
            (header(&answer, "content-encoding") == "gzip", header(&answer, "vary").as_str()),
            (packed, "Accept-Encoding"),
            "{taken}"
        );
        let body = web_test::read_body(answer).await;
        let mut read = String::new();
        if packed {
            GzDecoder::new(&body[..]).read_to_string(&mut read).unwrap();
        } else {
            read = String::from_utf8(body.to_vec()).unwrap();
        }
        assert_eq!(read, plain, "{taken}");
    }
    let small = format!("/chat/{}/mark.svg", page.folder);
    let answer = get(&page, &small, &[("Accept-Encoding", "gzip")]).await;
    assert_eq!((header(&answer, "content-encoding"), text(answer).await), (String::new(), "<svg/>".into()));
}

#[actix_web::test]
async fn every_answer_says_what_the_page_may_do_and_other_methods_are_refused() {
    let page = made("one()");
    let script = format!("/chat/{}/main.js", page.folder);
    for path in ["/chat/admin", &script] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(&page, method.clone(), path, &[]).await;
            assert_eq!(answer.status(), 200, "{method} {path}");
            let policy = header(&answer, "content-security-policy");
            let is_document = path != script;
            assert_eq!(policy.contains("script-src 'self';"), is_document, "{path}: {policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
            assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        }
        let answer = ask(&page, Method::POST, path, &[]).await;
        assert_eq!((answer.status().as_u16(), header(&answer, "allow").as_str()), (405, "GET, HEAD"), "{path}");
    }
    let answer = get(&page, "/chat/admin/", &[]).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location").as_str()), (308, "../admin"));
}

#[test]
fn the_styles_of_a_page_are_sent_as_one_in_the_order_in_which_it_names_them() {
    let link = |name: &str| format!("<link rel=\"stylesheet\" href=\"assets/{name}.css\">\n");
    let html = format!("<head>\n{}{}</head>\n", link("b"), link("a"));
    let files = [("a.css", "a{}\n"), ("b.css", "b{}\n"), ("index.html", &html)];
    let page = Page::new("p", files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).to_vec()).unwrap();
    let html = String::from_utf8(page.index.plain.to_vec()).unwrap();
    assert_eq!(html.matches("stylesheet").count(), 1, "{html}");
    let [(name, style)] = &page.assets[..] else { panic!("one asset") };
    assert_eq!((name.as_str(), &style.plain[..]), ("page.css", &b"b{}\na{}\n"[..]));
}

#[actix_web::test]
async fn a_page_at_the_root_is_looked_for_below_a_slash() {
    let page = made("one()");
    let at = |path: &'static str| ask_at("/", &page, Method::GET, path, &[]);
    assert_eq!(at("/chat/").await.status(), 200);
    let answer = at("/chat").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location").as_str()), (308, "./chat/"));
    assert_eq!(at("/chat/else").await.status(), 404);
    let app = web_test::init_service(App::new().configure(|cfg| page.configure("/", cfg))).await;
    let answer = web_test::call_service(&app, web_test::TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status(), 200);
}

#[actix_web::test]
async fn the_client_library_is_found_without_its_hash_though_the_page_is_not_shown() {
    let page = Page::with_library("chat").expect("web/chat/index.html");
    let scope = web::scope("/chat").configure(|cfg| page.configure_assets(cfg));
    let app = web_test::init_service(App::new().service(scope)).await;
    let get = |path: String| web_test::call_service(&app, web_test::TestRequest::get().uri(&path).to_request());
    assert_eq!(get("/chat/".into()).await.status(), 404);
    let answer = get("/chat/client/index.js".into()).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "cache-control").as_str()), (307, "no-cache"));
    let to = header(&answer, "location").replacen("..", "/chat", 1);
    let answer = get(to).await;
    assert_eq!(answer.status(), 200);
    assert!(text(answer).await.contains("./client.js"));
}

/// Holds a page to what may be on its way, `most` bytes, and to what may not stand in its text.
fn hold(page: &Page, name: &str, most: usize) -> String {
    let wire = |file: &File| file.gzip.as_ref().unwrap_or(&file.plain).len();
    let all: usize = page.assets.iter().map(|(_, file)| wire(file)).sum::<usize>() + wire(&page.index);
    assert!(all < most, "{name}: {all} bytes");
    let html = String::from_utf8(page.index.plain.to_vec()).unwrap();
    for wrong in [" style=", "<style", "<script>", " onclick=", "javascript:", "\"assets/", "http://", "https://"] {
        assert!(!html.contains(wrong), "{wrong} stands in web/{name}/index.html");
    }
    for word in html.split('"').filter(|word| word.starts_with(&format!("{name}/"))) {
        let file = word.strip_prefix(&page.folder).and_then(|rest| rest.strip_prefix('/')).unwrap();
        assert!(page.assets.iter().any(|(name, _)| name == file), "{word} is not there");
    }
    html
}

#[test]
fn the_operator_page_is_small_and_holds_no_script_and_no_style_in_its_text() {
    hold(&Page::of("admin").expect("web/admin/index.html"), "admin", 60_000);
}

/// What a module imports, and what these import, as names of assets.
fn imports(page: &Page, name: &str, found: &mut Vec<String>) {
    if found.iter().any(|known| known == name) {
        return;
    }
    found.push(name.to_owned());
    let (_, file) = page.assets.iter().find(|(asset, _)| asset == name).unwrap_or_else(|| panic!("no {name}"));
    let text = String::from_utf8(file.plain.to_vec()).unwrap();
    let folder = name.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
    for rest in text.split(" from \"./").skip(1) {
        imports(page, &format!("{folder}{}", rest.split('"').next().unwrap()), found);
    }
}

#[test]
fn the_chat_page_likewise_and_it_says_at_once_which_modules_it_takes() {
    let page = Page::with_library("chat").expect("web/chat/index.html");
    let html = hold(&page, "chat", 90_000);
    // The one that is no module.
    let (mut taken, prefix) = (vec!["early.js".to_owned()], format!("\"{}/", page.folder));
    imports(&page, "main.js", &mut taken);
    let said = html.split(&prefix).skip(1).filter_map(|rest| rest.split('"').next());
    let mut said: Vec<_> = said.filter(|name| name.rsplit('.').next() == Some("js")).map(str::to_owned).collect();
    taken.sort();
    said.sort();
    assert_eq!(said, taken, "the modulepreload links of web/chat/index.html");
}
