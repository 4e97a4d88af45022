"""`adbid simulate`: an ad server, its visitors and a hidden market, over HTTP."""
