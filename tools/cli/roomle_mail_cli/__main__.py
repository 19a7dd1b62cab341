"""`python -m roomle_mail_cli` is the command `roomle-mail`."""

from roomle_mail_cli.app import main

if __name__ == "__main__":
    main()
