"""A WHEP server made with aiortc and aiohttp: one video, with the behaviour and errors of real gateways."""

from __future__ import annotations

from types import TracebackType

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription

from support.ports import reserved_port
from support.webrtc.webrtc_publisher import PaintedTrack, peer_connection


class WhepServer:
    """`async with WhepServer() as server: server.source(…)`.

    `/path/whep` accepts offers, and sends `Location` unless `anonymous`. `/moved/N` redirects N times. `/away`
    redirects to `/path/whep` of the origin `elsewhere`. `track` is the video of the last connection.
    """

    def __init__(self, authorization: str = "", anonymous: bool = False) -> None:
        self.track = PaintedTrack()
        self.offers = 0
        self.deleted: list[str] = []
        self.authorizations: list[str] = []
        self.elsewhere = ""
        self.address = ""
        self._authorization = authorization
        self._anonymous = anonymous
        self._peers: list[RTCPeerConnection] = []
        self._port = reserved_port()

    async def __aenter__(self) -> WhepServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve, after `stop` at the same port as before."""
        application = web.Application()
        application.router.add_post("/path/whep", self._answer)
        application.router.add_delete("/path/whep/{session}", self._delete)
        application.router.add_post("/moved/{times}", self._moved)
        application.router.add_post("/away", self._away)
        application.router.add_post("/text", self._text)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.address = f"127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Close every connection and the server."""
        for peer in self._peers:
            await peer.close()
        self._peers.clear()
        await self._runner.cleanup()

    def source(self, path: str = "/path/whep", login: str = "") -> str:
        """Return the address of a camera."""
        return f"whep+http://{login}{'@' if login else ''}{self.address}{path}"

    async def _answer(self, request: web.Request) -> web.Response:
        self.authorizations.append(request.headers.get("Authorization", ""))
        if self._authorization and self.authorizations[-1] != self._authorization:
            return web.Response(status=401)
        assert request.content_type == "application/sdp"
        self.offers += 1
        peer = peer_connection()
        self._peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        self.track = PaintedTrack()  # aiortc stops a connection's tracks when it ends
        peer.addTrack(self.track)
        await peer.setLocalDescription()
        headers = {} if self._anonymous else {"Location": f"whep/{self.offers}"}
        status = 200 if self._anonymous else 201
        return web.Response(
            status=status, text=peer.localDescription.sdp, content_type="application/sdp", headers=headers
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self.deleted.append(request.match_info["session"])
        self.authorizations.append(request.headers.get("Authorization", ""))
        return web.Response(status=200)

    async def _moved(self, request: web.Request) -> web.Response:
        times = int(request.match_info["times"])
        to = f"/moved/{times - 1}" if times > 1 else "/path/whep"
        return web.Response(status=307, headers={"Location": to})

    async def _away(self, request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"http://{self.elsewhere}/path/whep"})

    async def _text(self, request: web.Request) -> web.Response:
        return web.Response(status=201, text="v=0\r\nnot an answer", content_type="application/sdp")
