// Elements of the page. Texts that come from data become text nodes or attributes, never markup.

// An element with properties, attributes and children; children that are null are left out.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || !(name in element)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Makes `elements` the children of a host. What is there already stays in its place, so that an
// update during a training takes neither the keyboard focus nor the scroll position away.
export function arrange(host, elements) {
  const focused = document.activeElement;
  const wanted = new Set(elements);
  for (const child of [...host.children]) if (!wanted.has(child)) child.remove();
  elements.forEach((element, place) => {
    if (host.children[place] !== element) host.insertBefore(element, host.children[place] ?? null);
  });
  if (host.contains(focused) && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

// A text that is written only if it changed: screen readers read an element again when it is written.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Calls a function once in the next frame, however often it is asked for.
export function inNextFrame(change) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      change();
    });
  };
}

// Offers a file to the user.
export function save(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

const SVG = "http://www.w3.org/2000/svg";

// An element of SVG with attributes.
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Shapes of 24 × 24 units, drawn for this page.
const SHAPES = {
  trouble: "M12 3 1.5 21h21L12 3zm-1.1 6.5h2.2v6h-2.2v-6zm0 7.3h2.2V19h-2.2v-2.2z",
  healthy: "M9 19.2 2.6 12.8l2-2L9 15.2 19.4 4.8l2 2z",
  unclear: "M5 10h2.6v4H5zm5.7 0h2.6v4h-2.6zm5.7 0H19v4h-2.6z",
  download: "M11 3h2v9.2l3.3-3.3 1.4 1.4L12 16l-5.7-5.7 1.4-1.4 3.3 3.3zM4 18h16v2.5H4z",
  enlarge: "M4 4h7v2.2H7.8l3.7 3.7-1.6 1.6-3.7-3.7V11H4zm16 16h-7v-2.2h3.2l-3.7-3.7 1.6-1.6 3.7 3.7V13H20z",
  reload: "M12 4a8 8 0 0 1 6 2.7V4h2v6.5h-6.5v-2h3.3A6 6 0 1 0 18 13h2a8 8 0 1 1-8-9z",
  pause: "M6 5h4v14H6zm8 0h4v14h-4z",
  play: "M7 4.5v15L19.5 12z",
  menu: "M3 6h18v2H3zm0 5h18v2H3zm0 5h18v2H3z",
};

// A decoration: the element around it has a name of its own.
export function icon(name) {
  const svg = makeSvg("svg", { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" });
  svg.append(makeSvg("path", { d: SHAPES[name] }));
  return svg;
}

// A button with an icon; its name is read out and shown as a tooltip.
export function iconButton(name, shape, press) {
  const button = make("button", { type: "button", class: "icon-button", title: name, "aria-label": name }, shape);
  button.onclick = press;
  return button;
}
