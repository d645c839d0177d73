/* Linked into sanitizer builds: libraries stay loaded, so that a leak's lines can still be named. */
int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
