// Elements made of text: nothing that came from outside is ever markup.

/** An element with attributes and children; what is no element becomes text. `on…` attributes are listeners. */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) {
      made.addEventListener(attribute.slice(2), value);
    } else if (value === true) {
      made.setAttribute(attribute, "");
    } else if (value !== false && value !== undefined && value !== null) {
      made.setAttribute(attribute, value);
    }
  }
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** Sets an element's text if it is another, so that nothing is drawn or read out again for nothing. */
export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** The element of this id. */
export const find = (id) => document.getElementById(id);

let hiding = 0;
/** Says what was done, for a moment, where it is seen and heard. */
export function say(text) {
  const place = find("said");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => place.classList.remove("shown"), 5000);
}
