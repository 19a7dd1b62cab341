"""`python -m tools.roomle_mail_cli`, which is what `roomle-mail` runs."""

from tools.roomle_mail_cli.app import main

if __name__ == "__main__":
    main()
