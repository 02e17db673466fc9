// A Worker that is the other end of WebSockets itself, and sends back what it gets: what the runtime alone
// makes of a frame.
export default {
  fetch() {
    const [outer, socket] = Object.values(new WebSocketPair());
    socket.accept({ allowHalfOpen: true });
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => socket.send(data));
    socket.addEventListener("close", ({ code, reason }) => {
      // 1005 says that there was no code, and cannot be sent.
      if (code === 1005) socket.close();
      else if (code !== 1006) socket.close(code, reason);
    });
    return new Response(null, { status: 101, webSocket: outer });
  },
};
