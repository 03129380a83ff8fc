"use strict";

const element = (id) => document.getElementById(id);
const LARGEST = Number(document.body.dataset.largest);
const BETWEEN_QUESTIONS = 300; // milliseconds
let video = null; // address of the current one

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const file = element("file").files[0];
  forget();
  element("result").hidden = element("sentence").hidden = true;
  if (file.size > LARGEST) {
    end(`The video has ${inMiB(file.size)}; at most ${inMiB(LARGEST)} are allowed.`);
  } else {
    upload(file);
  }
});

addEventListener("pagehide", forget);
addEventListener("pageshow", (event) => event.persisted && location.reload());

function forget() {
  if (video) fetch(video, { method: "DELETE", keepalive: true });
  video = null;
}

function upload(file) {
  const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
  request.open("PUT", `/videos?${new URLSearchParams({ name: file.name })}`);
  request.responseType = "json";
  request.upload.onprogress = (event) =>
    show(event.loaded, event.total, `Uploading: ${inMiB(event.loaded)} of ${inMiB(event.total)}`);
  request.onload = () => {
    if (request.status === 201) {
      video = `/videos/${request.response.id}`;
      follow(video);
    } else {
      end(request.response?.sentence ?? `The server refused the video (${request.status}).`);
    }
  };
  request.onerror = () => end("The server does not answer.");
  show(0, file.size, "Uploading");
  request.send(file);
}

async function follow(address) {
  let state;
  try {
    const answer = await fetch(address);
    if (address !== video) return; // another video was chosen meanwhile
    if (!answer.ok) return end("The server does not know the video any more: send it again.");
    state = await answer.json();
  } catch {
    return end("The server does not answer.");
  }
  if (!state.finished) {
    show(state.done, state.total, inWords(state));
    setTimeout(follow, BETWEEN_QUESTIONS, address);
    return;
  }
  end(state.sentence);
  if (state.playable) {
    element("video").src = element("annotated").href = `${address}/annotated.mp4`;
    element("lines").href = `${address}/detections.jsonl`;
    element("result").hidden = false;
  }
}

function inWords({ done, total, seconds }) {
  if (!total) return "Waiting";
  const words = `Frame ${done} of ${total}`;
  if (!done) return words;
  const rate = done / seconds;
  return `${words}, ${rate.toFixed(1)} frames per second, ${Math.ceil((total - done) / rate)} s left`;
}

function show(done, total, words) {
  element("work").hidden = false;
  if (total) {
    element("bar").max = total;
    element("bar").value = done;
  } else {
    element("bar").removeAttribute("value");
  }
  element("status").textContent = words;
}

function end(sentence) {
  element("work").hidden = true;
  element("sentence").textContent = sentence;
  element("sentence").hidden = !sentence;
}

function inMiB(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
