// Puts the parts together: who is let in, what is asked for, and how often.

import { Actors } from "./actors.js";
import { Api, NoAnswer } from "./api.js";
import { Channels } from "./channels.js";
import { find, write } from "./dom.js";
import { Graphs } from "./graphs.js";
import { Health } from "./health.js";
import { History } from "./history.js";
import { Login } from "./login.js";
import { Poll } from "./poll.js";
import { Sessions } from "./sessions.js";
import { Settings } from "./settings.js";

const api = new Api();
const history = new History();
const health = new Health();
const graphs = new Graphs(find("plots"));
const actors = new Actors(api, history);
const sessions = new Sessions(api);
const channels = new Channels(api);
const settings = new Settings(api);
const tables = [actors, sessions, channels];
/** What the server has not is looked for again when it was away. */
let isNew = true;

/** One round: health and metrics are waited for, what fills tables is not, so that one that is stuck holds up no
 *  other. */
async function round() {
  health.asked();
  try {
    const ready = await api.ready();
    for (const table of tables) {
      if (isNew ? !table.part.isBusy : table.part.isDue) {
        table.refresh();
      }
    }
    if (isNew) {
      settings.refresh();
      isNew = false;
    }
    const { status, text } = await api.plain("metrics");
    const now = Date.now();
    if (status === 200) {
      history.add(text, now);
    }
    find("graphs").dataset.fault =
      status === 200 ? "" : `The metrics cannot be read here: the server answered ${status}.`;
    write(find("span"), `${graphs.update(history, now) / 60_000} minutes`);
    health.update({ ready, history, kinds: actors.kinds, slow: sessions.slow, now });
  } catch (why) {
    if (!(why instanceof NoAnswer)) {
      throw why;
    }
    isNew = true;
    health.failed();
  }
}

const poll = new Poll(round, () => health.rests());
const login = new Login(
  api,
  () => poll.start(),
  () => poll.stop(),
);
login.begin();
