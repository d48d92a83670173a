"""An SMTP server that delivers into a directory and misbehaves when told to.

It speaks the real protocol over a real socket; only what it does with a mail differs from a mail
server. Run it with `python -m portaria_workers.mail.sandbox --listen 127.0.0.1:2525 --dir mails`.
Nothing is imported here: whoever looks for job types passes by.
"""
