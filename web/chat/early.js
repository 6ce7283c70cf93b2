// Before anything is painted: whether somebody is in, and how the page is to look. No module, so that it is waited for.

{
  // As keeping.js names it.
  const kept = (storage, name) => storage.getItem(`parlor ${new URL(".", location.href).pathname} ${name}`);
  const { dataset } = document.documentElement;
  dataset.at = "door";
  try {
    dataset.look = kept(localStorage, "look") ?? "auto";
    dataset.at = (kept(sessionStorage, "session") ?? kept(localStorage, "session")) === null ? "door" : "desk";
  } catch {
    // A browser that keeps nothing.
  }
}
