// Browsers start no worker for a page that was opened from a folder (file:). There, this one runs the
// script of the site's search in a hidden frame, so that the search needs no server.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.scope = new Promise((started, failed) => {
        const frame = document.createElement("iframe");
        frame.hidden = true;
        frame.onload = () => {
          const scope = frame.contentWindow;
          scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = frame.contentDocument.createElement("script");
          script.src = url;
          script.onload = () => started(scope);
          script.onerror = failed;
          frame.contentDocument.head.append(script);
        };
        document.documentElement.append(frame);
      });
    }

    postMessage(data) {
      this.scope.then((scope) => scope.dispatchEvent(new MessageEvent("message", { data })));
    }
  };
}
