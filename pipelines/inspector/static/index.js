// The Error Flow tab: TensorBoard imports this module into an empty page and calls render().

import { Page } from "./static/page.js";
import { Source } from "./static/source.js";
import { followTheme, useOuterFonts } from "./static/theme.js";
import { make } from "./static/dom.js";
import { readChoices } from "./static/choices.js";

export async function render() {
  document.documentElement.lang = "en";
  document.title = "Error Flow";
  await Promise.all(["style", "chart", "page"].map(addStyle));
  useOuterFonts();
  const source = new Source();
  const page = new Page(document.body, source, readChoices());
  followTheme(() => page.draw());
  await page.start();
}

function addStyle(name) {
  return new Promise((done) => {
    document.head.append(make("link", { rel: "stylesheet", href: `./static/${name}.css`, onload: done, onerror: done }));
  });
}
