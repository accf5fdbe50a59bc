"""A client on the real QuickFIX engine: FIX44 SocketInitiator that logs on and keeps the session up.

    python quickfix_initiator.py --port 9880 --folder DIR --heartbeat 1

Control (JSON lines on stdin): status, received (58 of every application message, in order), send {"text"} (a
35=B with that text), test_request {"text"}, logout, logon, quit.
"""

import argparse
from pathlib import Path

import quickfix as fix
from quickfix_program import Application, serve, settings


class Client(Application):
    """Keeps the texts of application messages."""

    def __init__(self):
        super().__init__()
        self.app_texts: list[str] = []

    def on_app(self, message):
        if message.isSetField(58):
            self.app_texts.append(message.getField(58))

    def received_texts(self) -> dict:
        return {"texts": self.app_texts}

    def send(self, text: str) -> None:
        message = fix.Message()
        message.getHeader().setField(fix.MsgType("B"))
        message.setField(fix.StringField(58, text))
        fix.Session.sendToTarget(message, self.session)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sender", default="FH")
    parser.add_argument("--target", default="SIM")
    parser.add_argument("--heartbeat", type=int, default=1)
    options = parser.parse_args()
    client = Client()
    config = settings(
        options.folder, kind="initiator", sender=options.sender, target=options.target,
        port=options.port, heartbeat_s=options.heartbeat,
    )  # fmt: skip
    initiator = fix.SocketInitiator(client, fix.FileStoreFactory(config), config, fix.FileLogFactory(config))
    initiator.start()
    serve(
        {
            "status": client.status,
            "received": client.received_texts,
            "send": client.send,
            "test_request": client.send_test_request,
            "logout": client.logout,
            "logon": client.logon,
            "quit": lambda: None,
        }
    )
    initiator.stop()


if __name__ == "__main__":
    main()
