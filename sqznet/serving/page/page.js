// The page of a server: shows photos or the camera to a model, and teaches it classes.

const at = (id) => document.getElementById(id);
const TOP = 5;
const KEPT = 24; // photos of before
const SENT_SIDE = 640; // pixels of the longest side of a camera's frame
const PAUSE = 1000; // milliseconds after a camera's frame was refused

let models = [];
let shown = null; // the photo in view, a Blob; its address in `shownUrl`
let shownUrl = null;
let stream = null; // of the camera
let token = sessionStorage.getItem("token");

class Refused extends Error {}

// --- The server -------------------------------------------------------------------------------

async function ask(path, options = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch {
    throw new Refused("The server does not answer. Is it still running?");
  }
  if (answer.status === 401) {
    await askForToken();
    return ask(path, options);
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const again = answer.headers.get("Retry-After");
    const later = again ? ` Try again in ${again} s.` : "";
    throw new Refused(`${said.error ?? answer.statusText}.${later}`);
  }
  return said;
}

function askForToken() {
  const door = at("door");
  return new Promise((entered) => {
    if (!door.open) door.showModal();
    door.addEventListener("close", () => {
      token = at("token").value;
      sessionStorage.setItem("token", token);
      entered();
    }, { once: true });
  });
}

const about = (parameters) => new URLSearchParams({ model: at("model").value, ...parameters });
const model = () => models.find((one) => one.name === at("model").value);

async function loadModels() {
  const before = at("model").value;
  models = (await ask("models")).models;
  at("model").replaceChildren(...models.map((one) => {
    const state = one.ready ? "" : " (no classes yet)";
    return new Option(`${one.name}${state}`, one.name, false, one.name === before);
  }));
  const taught = models.find((one) => one.teachable);
  at("teaching").hidden = !taught;
  if (taught) at("known").replaceChildren(...taught.labels.map((label) => new Option(label)));
}

// --- Answers ----------------------------------------------------------------------------------

// Screen readers speak these places when their text changes.
function say(place, text, bad = false) {
  if (at(place).textContent !== text) at(place).textContent = text;
  at(place).classList.toggle("bad", bad);
  if (place === "status") {
    at("status").classList.remove("spoken");
    at("time").textContent = "";
  }
}

function scoreText(score) {
  return model().activation === "none" ? score.toPrecision(5) : `${(100 * score).toFixed(1)} %`;
}

function showLabels(predictions) {
  at("labels").replaceChildren(...predictions.map(({ label, score }) => {
    const row = element("div", { className: "row" },
      element("span", { className: "name", textContent: label }),
      element("span", { textContent: scoreText(score) }));
    if (model().activation === "none") return element("li", {}, row);
    const bar = element("div", { className: "bar" }); // the number says the same
    bar.style.width = `${100 * Math.min(1, Math.max(0, score))}%`;
    return element("li", {}, row, element("div", { className: "track" }, bar));
  }));
}

function element(kind, properties, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

async function answerFor(photo) {
  const start = performance.now();
  const body = { method: "POST", body: photo };
  const [found, heat, objects] = await Promise.all([
    ask(`classify?${about({ top: TOP })}`, body),
    at("heat").checked ? ask(`explain?${about({ format: "json" })}`, body) : null,
    at("find").checked ? ask("detect", body) : null,
  ]);
  return { ...found, heat, objects, milliseconds: performance.now() - start };
}

function showBoxes(objects) {
  const { detections, width, height } = objects ?? { detections: [] };
  at("boxes").replaceChildren(...detections.map(({ label, score, box: [x0, y0, x1, y1] }) => {
    const text = `${label} ${(100 * score).toFixed(0)} %`;
    const box = element("li", {}, element("span", { textContent: text }));
    Object.assign(box.style, {
      left: `${(100 * x0) / width}%`,
      top: `${(100 * y0) / height}%`,
      width: `${(100 * (x1 - x0)) / width}%`,
      height: `${(100 * (y1 - y0)) / height}%`,
    });
    return box;
  }));
}

function showAnswer({ predictions, milliseconds, heat, objects }) {
  showLabels(predictions);
  showBoxes(objects);
  say("status", predictions[0].label);
  at("status").classList.add("spoken"); // the list shows it already
  const where = heat ? `, heat of ${heat.label}` : "";
  at("time").textContent = `${milliseconds.toFixed(0)} ms${where}`;
}

// --- Photos -----------------------------------------------------------------------------------

async function view(photo, name) {
  stopCamera();
  showBoxes(null);
  shown = photo;
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = URL.createObjectURL(photo);
  at("hint").hidden = true;
  const picture = at("picture");
  picture.hidden = false;
  picture.src = shownUrl;
  picture.alt = name;
  at("time").textContent = "Looking ...";
  try {
    const answer = await answerFor(photo);
    if (shown !== photo) return null;
    if (answer.heat) {
      picture.src = answer.heat.picture;
      picture.alt = `${name}, with the heat of ${answer.heat.label}`;
    }
    showAnswer(answer);
    return answer;
  } catch (error) {
    refuse(error);
    return null;
  }
}

function refuse(error) {
  if (!(error instanceof Refused)) throw error;
  at("labels").replaceChildren();
  showBoxes(null);
  say("status", error.message, true);
}

async function viewAll(files) {
  for (const file of files) {
    const answer = await view(file, file.name);
    if (answer) keep(file, answer.predictions[0]);
  }
}

function keep(photo, { label }) {
  const picture = element("img", { src: URL.createObjectURL(photo), alt: "" });
  const button = element("button", { type: "button" }, picture,
    element("span", { textContent: label }));
  button.setAttribute("aria-label", `Show ${photo.name} again: ${label}`);
  button.addEventListener("click", () => view(photo, photo.name));
  at("strip").prepend(element("li", {}, button));
  at("past").hidden = false;
  if (at("strip").children.length > KEPT) {
    const last = at("strip").lastElementChild;
    URL.revokeObjectURL(last.querySelector("img").src);
    last.remove();
  }
}

const again = () => shown && !stream && view(shown, at("picture").alt.split(", with the heat")[0]);

// --- The camera -------------------------------------------------------------------------------

async function startCamera() {
  if (!navigator.mediaDevices) {
    say("status", "The browser gives a page the camera only over https or from this machine " +
      "(localhost). Choose photos instead.", true);
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    const reasons = {
      NotAllowedError: "The browser refused the camera: allow it for this page and try again.",
      NotFoundError: "No camera was found.",
      NotReadableError: "The camera is in use by another program.",
    };
    say("status", reasons[error.name] ?? `No camera: ${error.message}`, true);
    return;
  }
  const video = at("video");
  video.srcObject = stream;
  video.hidden = false;
  at("hint").hidden = at("picture").hidden = true;
  at("camera").setAttribute("aria-pressed", "true");
  at("camera").textContent = "Stop camera";
  await video.play();
  watch(stream);
}

function stopCamera() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  at("video").hidden = true;
  at("camera").setAttribute("aria-pressed", "false");
  at("camera").textContent = "Use camera";
  at("hint").hidden = false;
}

// Stops the camera at its last frame, which may then be taught.
function freeze() {
  stopCamera();
  if (shown) view(shown, "The last frame of the camera");
}

function frame() {
  const video = at("video");
  const scale = Math.min(1, SENT_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const canvas = element("canvas", {
    width: Math.round(video.videoWidth * scale),
    height: Math.round(video.videoHeight * scale),
  });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((made) => canvas.toBlob(made, "image/jpeg", 0.9));
}

// One frame at a time: the next one is taken when the answer is there.
async function watch(mine) {
  const picture = at("picture");
  while (stream === mine) {
    shown = await frame();
    try {
      const answer = await answerFor(shown);
      if (stream !== mine) return;
      showAnswer(answer);
      picture.hidden = !answer.heat;
      at("video").hidden = Boolean(answer.heat);
      if (answer.heat) {
        picture.src = answer.heat.picture;
        picture.alt = `What the camera sees, with the heat of ${answer.heat.label}`;
      }
    } catch (error) {
      refuse(error);
      await new Promise((later) => setTimeout(later, PAUSE));
    }
  }
}

// --- Teaching ---------------------------------------------------------------------------------

async function teach(event) {
  event.preventDefault();
  if (!shown) {
    say("taught", "Choose a photo or use the camera first.", true);
    return;
  }
  const photo = stream ? await frame() : shown;
  await learned("teach?" + new URLSearchParams({ label: at("label").value }), photo, "Known");
}

async function learned(path, body, what) {
  try {
    const { labels, images } = await ask(path, { method: "POST", body });
    say("taught", `${what}: ${images} ${images === 1 ? "photo" : "photos"} of ${labels.join(", ")}.`);
    await loadModels();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say("taught", error.message, true);
  }
}

// --- What the user does -----------------------------------------------------------------------

const drop = at("drop");
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  viewAll(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) viewAll(event.clipboardData.files);
});
at("files").addEventListener("change", (event) => {
  viewAll([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
});
at("camera").addEventListener("click", () => (stream ? freeze() : startCamera()));
at("heat").addEventListener("change", () => {
  if (!at("heat").checked && stream) {
    at("video").hidden = false;
    at("picture").hidden = true;
  }
  again();
});
at("find").addEventListener("change", again);
at("model").addEventListener("change", again);
at("lesson").addEventListener("submit", teach);
at("save").addEventListener("click", () => learned("teach/save", null, "Saved"));
loadModels().catch(refuse);
