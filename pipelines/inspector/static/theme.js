// Light or dark, like the TensorBoard page around this one.

export function followTheme(changed) {
  const set = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    changed();
  };
  set();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", set);
  const body = outerBody();
  if (body) new MutationObserver(set).observe(body, { attributes: true, attributeFilter: ["class"] });
}

function isDark() {
  const body = outerBody();
  return body ? body.classList.contains("dark-mode") : matchMedia("(prefers-color-scheme: dark)").matches;
}

function outerBody() {
  try {
    return window.parent === window ? null : window.parent.document.body;
  } catch {
    return null; // the outer page belongs to another host
  }
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
